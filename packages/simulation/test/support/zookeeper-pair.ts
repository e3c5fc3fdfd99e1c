import { expect } from 'vitest';
import type { Front } from '../../src/servers/zookeeper/front.ts';
import { createReader } from '../../src/servers/zookeeper/jute.ts';
import { connectModel, connectReal, handshake, type Wire } from './zookeeper-wire.ts';

/** A session as one side knows it. */
interface Known {
  readonly id: bigint;
  readonly password: Buffer;
}

export type Session = Readonly<Record<Side, Known>>;
export type Side = 'real' | 'model';
export const sides: readonly Side[] = ['real', 'model'];

/** A client of both, with a session in each. */
export interface Pair {
  readonly real: Wire;
  readonly model: Wire;
  readonly session: Session;
  /** The number of the next request. */
  xid: number;
}

/** How a session is asked for. */
export interface Asked {
  readonly lastZxidSeen: Readonly<Record<Side, bigint>>;
  readonly timeoutMs: number;
  /** The session to continue; none asks for a new one. */
  readonly session?: Session | undefined;
  /** In place of the right one. */
  readonly password?: Buffer;
}

const noPassword = Buffer.alloc(16);

/** Connects to both, and compares what they say; `undefined` when neither grants the session. */
export async function connectPair(port: number, front: Front, asked: Asked, after: string): Promise<Pair | undefined> {
  const wires = { real: connectReal(port), model: connectModel(front) };
  const answers = { real: await shake('real'), model: await shake('model') };
  const comparable = ({ id, password, ...rest }: Answer, side: Side): object => ({
    isSame: asked.session === undefined || id === asked.session[side].id,
    isNone: id === 0n && password.equals(noPassword),
    ...rest,
  });
  const said = (side: Side): object | undefined => answers[side] && comparable(answers[side], side);
  expect(said('model'), after).toEqual(said('real'));
  const { real, model } = answers;
  if (real !== undefined && model !== undefined && real.id !== 0n)
    return { ...wires, session: { real, model }, xid: 1 };
  await wires.real.until(() => false);
  expect(wires.model.isClosed, after).toBe(true);
  return undefined;

  async function shake(side: Side): Promise<Answer | undefined> {
    const { id, password } = asked.session?.[side] ?? { id: 0n, password: noPassword };
    wires[side].send(handshake(asked.lastZxidSeen[side], asked.timeoutMs, id, asked.password ?? password));
    await wires[side].until((frames) => frames.length > 0);
    const [answer] = wires[side].frames.splice(0);
    return answer && readAnswer(answer);
  }
}

interface Answer extends Known {
  readonly version: number;
  readonly timeoutMs: number;
  readonly left: number;
}

function readAnswer(frame: Buffer): Answer {
  const reader = createReader(frame);
  const [version, timeoutMs, id, password] = [reader.int(), reader.int(), reader.long(), reader.bytes()!];
  return { version, timeoutMs, id, password, left: reader.left };
}

import { startZookeeper } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import type { Machine } from '../src/engine/machine.ts';
import { createWorld } from '../src/engine/world.ts';
import { createRandom, type Random } from '../src/random.ts';
import { createEnsemble, type Ensemble } from '../src/servers/zookeeper/ensemble.ts';
import { createReader } from '../src/servers/zookeeper/jute.ts';
import { type Names, readAnswer, sortEvents } from './support/zookeeper-answers.ts';
import { authenticate, closeSession, drawRequest, exists, ping, type Sent } from './support/zookeeper-operations.ts';
import { connectModel, connectReal, handshake, type Wire } from './support/zookeeper-wire.ts';

// Another seed, or more: SIMULATION_SEED=7 SIMULATION_OPERATIONS=500000 npx vitest run packages/simulation
const seed = process.env.SIMULATION_SEED ?? new Date().toISOString().slice(0, 10);
const operations = Number(process.env.SIMULATION_OPERATIONS ?? 20_000);

const tickMs = 50;
const longMs = 60_000;
// One server looks for empty containers once a minute, which the model here never does.
const perServer = 100_000;

/** A session as one side knows it. */
interface Known {
  id: bigint;
  password: Buffer;
}

/** A client of both, with a session in each. */
interface Client {
  real: Wire;
  model: Wire;
  readonly session: { readonly real: Known; readonly model: Known };
  xid: number;
}

/** A model of one server, with a clock that stands still: nothing happens by itself. */
function createModel(): Ensemble {
  const world = createWorld(createRandom(seed));
  const { random } = world;
  const machine = {
    world,
    random,
    state: 'running',
    now: () => 0,
    wallNow: () => 0,
    receive: (run) => run(),
  } as Machine;
  return createEnsemble({
    ...{ world, random, machines: [machine], tickMs, syncLimit: 5, containerCheckMs: Number.POSITIVE_INFINITY },
    ...{ leastTimeoutMs: 2 * tickMs, mostTimeoutMs: longMs, delayMs: () => 0, lagMs: () => 0 },
  });
}

it(`the model of ZooKeeper answers as the real server does, ${operations} operations in a row (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const random = createRandom(`zookeeper model ${seed}`);
  for (let left = operations; left > 0; left -= perServer) {
    await using server = await startZookeeper({
      config: [`tickTime=${tickMs}`, `minSessionTimeout=${2 * tickMs}`, `maxSessionTimeout=${longMs}`, 'forceSync=no'],
    });
    await compare(server.port, random.fork(`${left}`), Math.min(left, perServer));
  }
});

/** Plays on both sides, and compares whatever either says. */
async function compare(port: number, random: Random, count: number): Promise<void> {
  const ensemble = createModel();
  const { front, tree } = ensemble.members[0]!;
  const sessions = { real: new Map<bigint, string>(), model: new Map<bigint, string>() };
  const names: { real: Names; model: Names } = {
    real: { zxidBase: 0n, sessions: sessions.real },
    model: { zxidBase: 2n ** 32n, sessions: sessions.model },
  };
  const done: string[] = [];
  let zxid = 0n;
  const shown = (): string => `after\n${done.slice(-100).join('\n')}`;

  const seen = (more = 0n): { real: bigint; model: bigint } => ({
    real: zxid + more,
    model: zxid + more + names.model.zxidBase,
  });

  const observer = await open();
  const clients: Client[] = [];
  for (let i = 0; i < 4; i++) clients.push(await open());
  for (let played = 0; played < count; ) {
    const which = random.int(0, clients.length - 1);
    if (random.chance(0.12)) await changeSession(which);
    else played += await play(clients[which]!);
  }
  for (const { real } of [observer, ...clients]) real.drop();

  /** Connects both; gives what they say of the session. */
  async function shake(
    lastZxidSeen: { real: bigint; model: bigint },
    timeoutMs: number,
    known: Client['session'] | undefined,
    password?: Buffer,
  ): Promise<{ client: Client; granted: boolean }> {
    const noPassword = Buffer.alloc(16);
    const sides = { real: connectReal(port), model: connectModel(front) };
    const said = { real: undefined as object | undefined, model: undefined as object | undefined };
    const session = { real: { id: 0n, password: noPassword }, model: { id: 0n, password: noPassword } };
    for (const side of ['real', 'model'] as const) {
      const own = known?.[side] ?? session[side];
      sides[side].send(handshake(lastZxidSeen[side], timeoutMs, own.id, password ?? own.password));
      await sides[side].until((frames) => frames.length > 0);
      const [answer] = sides[side].frames.splice(0);
      if (answer === undefined) continue;
      const reader = createReader(answer);
      const [version, granted] = [reader.int(), reader.int()];
      Object.assign(session[side], { id: reader.long(), password: reader.bytes() });
      const isSame = known === undefined || session[side].id === own.id;
      const hasPassword = !session[side].password.equals(noPassword);
      said[side] = { version, granted, isSame, hasPassword, left: reader.left };
    }
    expect(said.model, shown()).toEqual(said.real);
    const granted = session.real.id !== 0n;
    if (!granted) {
      await sides.real.until(() => false);
      expect(sides.model.isClosed).toBe(true);
    }
    return { client: { ...sides, session, xid: 1 }, granted };
  }

  async function open(): Promise<Client> {
    done.push('a new session');
    const { client } = await shake({ real: 0n, model: 0n }, longMs, undefined);
    const name = `session ${sessions.real.size + 1}`;
    sessions.real.set(client.session.real.id, name);
    sessions.model.set(client.session.model.id, name);
    return client;
  }

  /** Sends requests in one piece; those of the model decide what there is to ask for. */
  async function play(client: Client): Promise<number> {
    const requests: Sent[] = [];
    for (let i = random.int(1, 80); i > 0; i--) {
      const request = drawRequest(random, client.xid++, tree);
      client.model.send(request.frame);
      requests.push(request);
    }
    client.real.send(Buffer.concat(requests.map(({ frame }) => frame)));
    await settle(client, requests);
    return requests.length;
  }

  /** Everybody is asked, so that all that was to arrive has arrived, and all of it is compared. */
  async function settle(client: Client, requests: readonly Sent[]): Promise<void> {
    done.push(...requests.map(({ what }) => `client ${clients.indexOf(client)}: ${what}`));
    for (const each of [client, ...clients.filter((other) => other !== client)]) {
      // Behind the last request of a connection, a ping may be answered or not.
      const isLast = each.model.isClosed;
      const sent = [...(each === client ? requests : []), ...(isLast ? [] : [ping()])];
      if (!isLast) {
        each.model.send(sent.at(-1)!.frame);
        each.real.send(sent.at(-1)!.frame);
      }
      const answers = (frames: readonly Buffer[]): number => frames.filter((one) => one.readInt32BE(0) !== -1).length;
      await each.real.until((frames) => !isLast && answers(frames) >= sent.length);
      const read = (side: 'real' | 'model'): object[] =>
        sortEvents(each[side].frames.splice(0).map((frame) => readAnswer(frame, sent, names[side])));
      expect(read('model'), shown()).toEqual(read('real'));
      expect(each.model.isClosed, shown()).toBe(each.real.isClosed);
    }
    zxid = BigInt(tree.zxid) - names.model.zxidBase;
  }

  async function changeSession(which: number): Promise<void> {
    const client = clients[which]!;
    const what = random.pick([
      'close',
      'reconnect',
      'take over',
      'wrong password',
      'too new',
      'authenticate',
      'expire',
    ] as const);
    done.push(`client ${which}: ${what}`);
    switch (what) {
      case 'close': {
        const request = closeSession(client.xid++);
        client.model.send(request.frame);
        client.real.send(request.frame);
        await settle(client, [request]);
        clients[which] = await open();
        const again = await shake(seen(), longMs, client.session);
        expect(again.granted).toBe(false);
        return settle(clients[which], []);
      }
      case 'reconnect':
        client.real.drop();
        client.model.drop();
        clients[which] = (await shake(seen(), longMs, client.session)).client;
        return settle(clients[which], []);
      case 'take over':
        clients[which] = (await shake(seen(), longMs, client.session)).client;
        await client.real.until(() => false);
        expect(client.model.isClosed).toBe(true);
        return settle(clients[which], []);
      case 'wrong password': {
        const again = await shake(seen(), longMs, client.session, Buffer.alloc(16, 7));
        expect(again.granted).toBe(false);
        // The connection with the right one is closed all the same.
        return reopen(which, client);
      }
      case 'too new': {
        const again = await shake(seen(1_000n), longMs, client.session);
        expect(again.granted).toBe(false);
        return settle(client, []);
      }
      case 'authenticate':
        return logIn(which, client);
      case 'expire':
        return expire(which, client);
    }
  }

  async function reopen(which: number, { session }: Client): Promise<void> {
    clients[which] = (await shake(seen(), longMs, session)).client;
    return settle(clients[which], []);
  }

  async function logIn(which: number, client: Client): Promise<void> {
    const request = authenticate(
      random.pick(['digest', 'digest', 'digest', 'nosuch']),
      random.pick(['ann:1', 'bob:2']),
    );
    client.model.send(request.frame);
    client.real.send(request.frame);
    await settle(client, [request]);
    if (client.model.isClosed) await reopen(which, client);
  }

  /** The session ends on the real server by itself, which others see by its nodes. */
  async function expire(which: number, client: Client): Promise<void> {
    const own = client.session.model.id;
    const [path] = [...tree.nodes].find(([, { ephemeralOwner }]) => ephemeralOwner === own) ?? [];
    if (path === undefined) return;
    const last = (await shake(seen(), 2 * tickMs, client.session)).client;
    last.real.drop();
    last.model.drop();
    for (let isThere = true; isThere; ) {
      observer.real.send(exists(observer.xid++, path).frame);
      await observer.real.until((frames) => frames.length > 0);
      isThere = observer.real.frames.splice(0)[0]?.readInt32BE(12) === 0;
      if (isThere) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    ensemble.expire(own);
    clients[which] = await open();
    return settle(clients[which], []);
  }
}

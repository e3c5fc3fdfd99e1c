import type { HoldRef, RenewOutcome } from '@holdfast/lock-core';
import { afterSending, foreignKey } from './errors.ts';
import { readRenewReply } from './replies.ts';
import { channelOf, type RedisLockState, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

const renewBatch = 100;

/** Gives one hold a new lease. */
export function renew(state: RedisLockState, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const { client } = state;
  const keys = state.keysOf(hold.key);
  const command = [scripts.renew.sha, '1', keys.lock, String(ttlMs), jsonList([hold.owner])];
  return runLockScript(state, scripts.renew, command, { key: keys.lock, name: hold.key }, (reply): RenewOutcome => {
    const answer = readRenewReply(reply, 1, client.name, hold.key);
    if (answer === 'f') throw foreignKey(hold.key, channelOf(state, keys), client.name);
    return answer === '1' ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };
  });
}

/** Renews many holds, a batch of them by one script. */
export async function renewMany(
  state: RedisLockState,
  holds: readonly HoldRef[],
  ttlMs: number,
): Promise<RenewOutcome[]> {
  const outcomes: RenewOutcome[] = [];
  const batches: Promise<void>[] = [];
  for (let begin = 0; begin < holds.length; begin += renewBatch)
    batches.push(renewSome(state, holds, [begin, Math.min(begin + renewBatch, holds.length)], ttlMs, outcomes));
  await Promise.all(batches).catch((error: unknown) => {
    throw batches.length === 1 ? error : afterSending(error, 'the locks were renewed', state.client.name);
  });
  return outcomes;
}

/** Renews the holds from `begin` to `end`, and puts what became of each in its place. */
function renewSome(
  state: RedisLockState,
  holds: readonly HoldRef[],
  [begin, end]: readonly [number, number],
  ttlMs: number,
  outcomes: RenewOutcome[],
): Promise<void> {
  const { client, keysOf } = state;
  // Built in one go: for thousands of locks, making the command is most of what renewal costs.
  const command = [scripts.renew.sha, String(end - begin)];
  for (let i = begin; i < end; i += 1) command.push(keysOf(holds[i]!.key).lock);
  const owners: string[] = [];
  for (let i = begin; i < end; i += 1) owners.push(holds[i]!.owner);
  command.push(String(ttlMs), jsonList(owners));
  const renewed: RenewOutcome = { status: 'renewed', validForMs: ttlMs };
  const name = holds[begin]!.key;
  return runLockScript(state, scripts.renew, command, { key: undefined, name }, (reply) => {
    const answers = readRenewReply(reply, end - begin, client.name, name);
    // A key that became something else is as lost as a deleted one.
    for (let i = 0; i < answers.length; i += 1) outcomes[begin + i] = answers[i] === '1' ? renewed : { status: 'lost' };
  });
}

/** Texts as one argument. Half a surrogate pair goes to a server as U+FFFD, but JSON would keep it, as an escape that Redis refuses. */
function jsonList(texts: readonly string[]): string {
  return JSON.stringify(texts.map((text) => (text as string & { toWellFormed(): string }).toWellFormed()));
}

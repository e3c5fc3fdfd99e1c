import type { HoldRef, RenewOutcome } from '@holdfast/lock-core';
import { isAmongOthers } from './claim.ts';
import { afterSending, foreignKey } from './errors.ts';
import { readRenewReply } from './replies.ts';
import { channelOf, keysOfScript, type RedisLockState, runLockScript } from './requests.ts';
import { type LuaScript, scripts } from './scripts.ts';

const renewBatch = 100;

/** Gives one hold a new lease. */
export async function renew(state: RedisLockState, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const { client, keysOf } = state;
  const foreign = (): never => {
    throw foreignKey(hold.key, channelOf(state, keysOf(hold.key)), client.name);
  };
  const [outcome] = await renewBatchOf(state, [hold], ttlMs, isAmongOthers(hold.claim), foreign);
  return outcome!;
}

/** Renews many holds, a batch of them by one script. */
export async function renewMany(
  state: RedisLockState,
  holds: readonly HoldRef[],
  ttlMs: number,
): Promise<RenewOutcome[]> {
  const outcomes: RenewOutcome[] = new Array(holds.length);
  const renewSome = async (places: readonly number[], amongOthers: boolean): Promise<void> => {
    const some = places.map((place) => holds[place]!);
    const renewed = await renewBatchOf(state, some, ttlMs, amongOthers);
    for (const [i, place] of places.entries()) outcomes[place] = renewed[i]!;
  };
  const batches: Promise<void>[] = [];
  for (const amongOthers of [false, true]) {
    const places = [...holds.keys()].filter((i) => isAmongOthers(holds[i]!.claim) === amongOthers);
    for (let i = 0; i < places.length; i += renewBatch)
      batches.push(renewSome(places.slice(i, i + renewBatch), amongOthers));
  }
  await Promise.all(batches).catch((error: unknown) => {
    throw batches.length === 1 ? error : afterSending(error, 'the locks were renewed', state.client.name);
  });
  return outcomes;
}

/** Renews holds that are alone, or such as are among others, by one script. */
async function renewBatchOf(
  state: RedisLockState,
  holds: readonly HoldRef[],
  ttlMs: number,
  amongOthers: boolean,
  foreign?: () => never,
): Promise<RenewOutcome[]> {
  const script = amongOthers ? scripts.renewShared : scripts.renew;
  const answers = await sendRenewal(state, script, holds, ttlMs);
  const outcomes: RenewOutcome[] = [];
  for (const [i, answer] of [...answers].entries()) {
    if (answer === 'f') foreign?.();
    // One that was downgraded is among others now.
    if (answer === 's' && !amongOthers)
      outcomes.push(...(await renewBatchOf(state, [holds[i]!], ttlMs, true, foreign)));
    else outcomes.push(answer === '1' ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' });
  }
  return outcomes;
}

/** The answer of the script, a character for each hold. A key that became something else is as lost as a deleted one. */
function sendRenewal(
  state: RedisLockState,
  script: LuaScript,
  holds: readonly HoldRef[],
  ttlMs: number,
): Promise<string> {
  const { client, keysOf } = state;
  const isShared = script === scripts.renewShared;
  // Built in one go: for thousands of locks, making the command is most of what renewal costs.
  const command = [script.sha, String(holds.length * (isShared ? 3 : 1))];
  for (const { key } of holds) {
    const { lock, queue, places } = keysOf(key);
    command.push(lock);
    if (isShared) command.push(queue, places);
  }
  const owners: string[] = [];
  for (const { owner } of holds) owners.push(owner);
  command.push(String(ttlMs), jsonList(owners));
  const name = holds[0]!.key;
  const key = holds.length === 1 ? keysOf(name).lock : undefined;
  return runLockScript(state, script, command, { key, name }, (reply) => {
    return readRenewReply(reply, holds.length, client.name, name);
  });
}

/** Turns an exclusive hold into a shared one, and lets in those who wait for a shared one. */
export function downgrade(state: RedisLockState, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const { client, publish } = state;
  const keys = state.keysOf(hold.key);
  const command = keysOfScript(state, scripts.downgrade, keys);
  command.push(hold.owner, String(ttlMs), publish);
  const target = { key: keys.lock, name: hold.key };
  return runLockScript(state, scripts.downgrade, command, target, (reply): RenewOutcome => {
    const answer = readRenewReply(reply, 1, client.name, hold.key);
    if (answer === 'f') throw foreignKey(hold.key, channelOf(state, keys), client.name);
    return answer === '1' ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };
  });
}

/** Texts as one argument. Half a surrogate pair goes to a server as U+FFFD, but JSON would keep it, as an escape that Redis refuses. */
function jsonList(texts: readonly string[]): string {
  return JSON.stringify(texts.map((text) => (text as string & { toWellFormed(): string }).toWellFormed()));
}

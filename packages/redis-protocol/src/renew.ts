import type { HoldRef, RenewOutcome } from '@holdfast/lock-core';
import { isAmongOthers } from './claim.ts';
import { afterSending, foreignKey, unknownOutcome } from './errors.ts';
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
    for (let i = 0; i < places.length; i += 1) outcomes[places[i]!] = renewed[i]!;
  };
  const [alone, others]: [number[], number[]] = [[], []];
  for (let i = 0; i < holds.length; i += 1) (isAmongOthers(holds[i]!.claim) ? others : alone).push(i);
  const batches: Promise<void>[] = [];
  for (const places of [alone, others]) {
    for (let i = 0; i < places.length; i += renewBatch)
      batches.push(renewSome(places.slice(i, i + renewBatch), places === others));
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
  const renewed: RenewOutcome = { status: 'renewed', validForMs: ttlMs };
  for (let i = 0; i < holds.length; i += 1) {
    const answer = answers[i];
    if (answer === 'f') foreign?.();
    // One that was downgraded is among others now.
    if (answer === 's' && !amongOthers)
      outcomes.push(...(await renewBatchOf(state, [holds[i]!], ttlMs, true, foreign)));
    else outcomes.push(answer === '1' ? renewed : { status: 'lost' });
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
  const { resends } = client;
  const isShared = script === scripts.renewShared;
  // Built in one go: for thousands of locks, making the command is most of what renewal costs.
  const command = [script.sha, String(holds.length * (isShared ? 3 : 1))];
  for (const { key } of holds) {
    const keys = keysOf(key);
    command.push(keys.lock);
    if (isShared) command.push(keys.queue, keys.places);
  }
  const owners: string[] = [];
  for (const { owner } of holds) owners.push(owner);
  command.push(String(ttlMs), jsonList(owners));
  const name = holds[0]!.key;
  const key = holds.length === 1 ? keysOf(name).lock : undefined;
  const read = (reply: unknown): string => {
    assertSentOnce(state, resends, name);
    return readRenewReply(reply, holds.length, client.name, name);
  };
  return runLockScript(state, script, command, { key, name, read });
}

/** The first copy of what the client has sent twice may arrive behind a later renewal, and shorten that: core counts with it then (H113). */
function assertSentOnce({ client }: RedisLockState, resends: number, name: string): void {
  if (client.resends !== resends) throw unknownOutcome('the lock was renewed', client.name, name);
}

/** Turns an exclusive hold into a shared one, and lets in those who wait for a shared one. */
export function downgrade(state: RedisLockState, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const { client, publish } = state;
  const { resends } = client;
  const keys = state.keysOf(hold.key);
  const command = keysOfScript(state, scripts.downgrade, keys);
  command.push(hold.owner, String(ttlMs), publish);
  return runLockScript<RenewOutcome>(state, scripts.downgrade, command, {
    key: keys.lock,
    name: hold.key,
    read(reply) {
      assertSentOnce(state, resends, hold.key);
      const answer = readRenewReply(reply, 1, client.name, hold.key);
      if (answer === 'f') throw foreignKey(hold.key, channelOf(state, keys), client.name);
      return answer === '1' ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };
    },
  });
}

/**
 * Texts as one argument. Owner IDs need no escapes, and to look for that and join them takes half as long as `JSON.stringify`. Half a
 * surrogate pair goes to a server as U+FFFD, but JSON would keep it, as an escape that Redis refuses.
 */
function jsonList(texts: readonly string[]): string {
  const joined = texts.join('');
  if (!joined.includes('"') && !joined.includes('\\') && !joined.includes('\0')) return `["${texts.join('","')}"]`;
  return JSON.stringify(texts.map((text) => (text as string & { toWellFormed(): string }).toWellFormed()));
}

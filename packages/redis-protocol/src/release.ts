import type { HoldRef, ReleaseOutcome } from '@holdfast/lock-core';
import { isAmongOthers } from './claim.ts';
import { foreignKey, unknownOutcome } from './errors.ts';
import { holdersOf } from './inspect.ts';
import type { LockKeys } from './keys.ts';
import { readReleaseReply } from './replies.ts';
import { channelOf, keysOfScript, type LockRequest, type RedisLockState, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/**
 * Frees the lock if the owner still has it, or withdraws its place, and grants the lock to who is next. The first `released` for an owner ID whose acquire may have
 * been sent twice is "unknown" to core: its clean-up then asks again until the other one cannot come any more.
 */
export function release(state: RedisLockState, hold: HoldRef, byCore = true): Promise<ReleaseOutcome> {
  state.places.withdraw(hold.owner);
  return send(state, hold, state.publish, byCore);
}

/**
 * Frees the lock without a word: it was granted and is taken back because too few replicas have it. Whoever heard of that would
 * ask at once and get no further, first of all the one who takes it back; polling finds out when the replicas answer again.
 */
export function rollBack(state: RedisLockState, hold: HoldRef): Promise<ReleaseOutcome> {
  return send(state, hold, '', true);
}

function send(state: RedisLockState, hold: HoldRef, publish: string, byCore: boolean): Promise<ReleaseOutcome> {
  const request = new Request(state, hold, publish, byCore);
  // Where others wait all keys are needed. If that is not known here, the server says so: once, until this process waits as well.
  const isUsual =
    publish !== '' && !isAmongOthers(hold.claim) && !state.places.areKnown(channelOf(state, request.keys));
  return isUsual ? request.sendUsual() : request.sendAll();
}

/** The release of one owner ID. */
class Request implements LockRequest<ReleaseOutcome> {
  readonly key: string;
  readonly name: string;
  readonly keys: LockKeys;
  private readonly state: RedisLockState;
  private readonly owner: string;
  private readonly publish: string;
  private readonly byCore: boolean;
  private readonly resends: number;
  private pastQueue = false;

  constructor(state: RedisLockState, hold: HoldRef, publish: string, byCore: boolean) {
    this.keys = state.keysOf(hold.key);
    this.key = this.keys.lock;
    this.name = hold.key;
    this.state = state;
    this.owner = hold.owner;
    this.publish = publish;
    this.byCore = byCore;
    this.resends = state.client.resends;
  }

  sendUsual(): Promise<ReleaseOutcome> {
    const { lock, queue } = this.keys;
    return this.send([scripts.release.sha, '2', lock, queue, this.owner]);
  }

  sendAll(): Promise<ReleaseOutcome> {
    return this.send([...keysOfScript(this.state, scripts.release, this.keys), this.owner]);
  }

  // Its keys may be on two nodes then; the lock itself can still be freed.
  whileSlotMoves(): Promise<ReleaseOutcome> | undefined {
    if (this.pastQueue) return undefined;
    this.pastQueue = true;
    return this.send([scripts.release.sha, '1', this.key, this.owner]);
  }

  private send(command: string[]): Promise<ReleaseOutcome> {
    if (this.publish !== 'PUBLISH') command.push(this.publish);
    return runLockScript(this.state, scripts.release, command, this);
  }

  read(raw: unknown): ReleaseOutcome | Promise<ReleaseOutcome> {
    const { name, owner } = this;
    const { client, places, sentTwice } = this.state;
    const reply = readReleaseReply(raw, client.name, name);
    if (reply.outcome === 'more') return this.sendAll();
    // The next one may wait in this process, and need not wait for the message.
    for (const granted of reply.granted) places.granted(granted);
    if (reply.outcome === 'released') {
      if (this.byCore && sentTwice.take(owner)) throw unknownOutcome('the lock was acquired', client.name, name);
      return 'released';
    }
    // The client may have sent this twice, and the first one may have released (H14).
    if (client.resends !== this.resends) throw unknownOutcome('the lock was released', client.name, name);
    if (reply.outcome === 'foreign') throw foreignKey(name, client.keyPrefix + this.key, client.name);
    return 'not-held';
  }
}

/** How often a lock is looked at again that changes hands while it is being freed. */
const mostChanges = 10;

/**
 * Frees the lock of `owner`, or of all who are seen to hold it: the script always names an owner, so that a client that sends it
 * twice cannot free the next holder (H112).
 */
export async function forceRelease(state: RedisLockState, name: string, owner?: string): Promise<boolean> {
  if (owner !== undefined) {
    // A release would take its place from one that waits.
    if (!(await holdersOf(state, name)).includes(owner)) return false;
    return (await release(state, { key: name, owner }, false)) === 'released';
  }
  for (let changes = 0; changes < mostChanges; changes += 1) {
    const owners = await holdersOf(state, name);
    if (owners.length === 0) return false;
    const freed = await Promise.all(owners.map((each) => release(state, { key: name, owner: each }, false)));
    if (freed.includes('released')) return true;
  }
  // Each holder that was seen is gone, so the one who was to be forced out is.
  return true;
}

import type { AcquireAttempt, AcquireOutcome, LockAdapter, LockInfo, RenewOutcome } from '@holdfast/lock-core';
import { type Numbered, States } from './states.ts';

const isHeld = (state: Numbered | undefined): state is Numbered & { owner: string } =>
  state?.owner !== undefined && state.expiresAt > Date.now();

/** Locks between the processes of one machine, as files in a folder that all of them can write to. */
export function folderAdapter({ folder }: { folder: string }): LockAdapter {
  const states = new States(folder);

  async function tryAcquire({ key, owner, ttlMs }: AcquireAttempt): Promise<AcquireOutcome> {
    for (;;) {
      const last = await states.read(key);
      const now = Date.now();
      if (isHeld(last) && last.owner !== owner) return { status: 'busy', retryAfterMs: last.expiresAt - now };
      const isMine = isHeld(last);
      // Asked again by its holder: the same token, and the longer lease (H113). Numbers only rise, so they are the tokens.
      const token = isMine ? last.token : (last?.number ?? 0) + 1;
      const expiresAt = Math.max(now + ttlMs, isMine ? last.expiresAt : 0);
      if (!(await states.write(last, { key, owner, token, expiresAt }))) continue;
      if (isMine && Date.now() >= last.expiresAt) return endOf(key, owner);
      return { status: 'granted', fencingToken: BigInt(token), validForMs: ttlMs };
    }
  }

  async function renew({ key, owner }: { key: string; owner: string }, ttlMs: number): Promise<RenewOutcome> {
    for (;;) {
      const last = await states.read(key);
      if (!isHeld(last) || last.owner !== owner) return { status: 'lost' };
      if (!(await states.write(last, { key, owner, token: last.token, expiresAt: Date.now() + ttlMs }))) continue;
      // The lease ended while it was written: what has expired stays expired (H6).
      if (Date.now() >= last.expiresAt) {
        await free(key, owner);
        return { status: 'lost' };
      }
      return { status: 'renewed', validForMs: ttlMs };
    }
  }

  /** Frees the key, of this owner alone if one is named. */
  async function free(key: string, owner?: string): Promise<boolean> {
    for (;;) {
      const last = await states.read(key);
      if (!isHeld(last) || (owner !== undefined && last.owner !== owner)) return false;
      if (await states.write(last, { key, token: last.token, expiresAt: 0 })) return true;
    }
  }

  async function endOf(key: string, owner: string): Promise<AcquireOutcome> {
    await free(key, owner);
    return { status: 'busy', retryAfterMs: 0 };
  }

  return {
    name: 'folder',
    capabilities: {
      fencing: true,
      fairness: 'none',
      expiry: 'ttl',
      wakeup: 'poll',
      // There is nothing to fail over to.
      survivesFailover: false,
      crossProcess: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
    },
    tryAcquire,
    renew,
    release: async ({ key, owner }) => ((await free(key, owner)) ? 'released' : 'not-held'),
    forceRelease: free,
    async inspect(key) {
      const last = await states.read(key);
      return isHeld(last) ? infoOf(last) : undefined;
    },
    async keys() {
      return { keys: (await states.readAll()).filter(isHeld).map(({ key }) => key), next: undefined };
    },
  };
}

function infoOf({ key, owner, token, expiresAt }: Numbered & { owner: string }): LockInfo {
  return {
    key,
    owner,
    remainingMs: Math.max(0, expiresAt - Date.now()),
    fencingToken: BigInt(token),
    waiters: undefined,
  };
}

export { folderAdapter as createAdapter };

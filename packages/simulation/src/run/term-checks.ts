import { type Held, isOwn } from './held.ts';

/** Whether each has its lock on the terms that it asked for. */
export interface TermChecks {
  granted(held: Held): void;
  /** To be called while it is held. */
  stay(held: Held): void;
}

export function createTermChecks(fail: (message: string) => void, now: () => number): TermChecks {
  function checkMaxHold(held: Held): void {
    const { machine, grantedAt, stoodStillMs, terms } = held;
    const heldMs = now() - grantedAt;
    if (machine.stoodStillMs > stoodStillMs || !isOwn(held) || heldMs < terms.maxHoldMs * 1.01 + 50) return;
    fail(`${held.name} is held for ${Math.round(heldMs)} ms, and maxHoldMs is ${terms.maxHoldMs}`);
  }

  /** Without the watchdog, a hold is over after its TTL, whoever else keeps the lease that it has a part in. */
  function checkLease(held: Held): void {
    const { machine, name, step, stoodStillMs, grantedAt, terms } = held;
    const heldMs = now() - grantedAt;
    // Backends that count in seconds round up.
    const mostMs = (Math.max(terms.ttlMs, 1_000) + 1_000) * 1.01 + 50;
    if (terms.autoRenew || heldMs < mostMs || machine.stoodStillMs > stoodStillMs) return;
    if (!isOwn(held) || step.inside.some((deed) => deed.do === 'renew' || deed.do === 'downgrade')) return;
    fail(`${name} is held for ${Math.round(heldMs)} ms, is not renewed, and its TTL is ${terms.ttlMs}`);
  }

  /** Nobody but the one that asks for it turns an exclusive lock into a shared one. */
  function checkStaysExclusive({ name, lock, step }: Held): void {
    if (lock.mode !== 'shared' || step.options.mode === 'shared') return;
    if (!step.inside.some((deed) => deed.do === 'downgrade'))
      fail(`${name} has the key exclusively, and it has become shared`);
  }

  return {
    granted({ name, lock, step: { options } }) {
      // A reader inside an exclusive body has the exclusive lock.
      const right =
        options.permits !== undefined
          ? lock.mode === 'permits'
          : lock.mode === 'exclusive' || (options.mode === 'shared' && lock.mode === 'shared');
      if (!right) fail(`${name} asked for ${options.mode ?? 'an exclusive lock'} and has ${lock.mode}`);
    },
    stay(held) {
      checkMaxHold(held);
      checkLease(held);
      checkStaysExclusive(held);
    },
  };
}

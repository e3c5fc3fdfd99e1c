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
      checkStaysExclusive(held);
    },
  };
}

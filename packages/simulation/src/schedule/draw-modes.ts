import type { Random } from '../random.ts';
import type { Deed, Step, StepOptions } from './types.ts';

/** The key of the semaphore, and how many permits it has. */
export const semaphore = { key: 'p1', limit: 3 };

const takesMode: readonly Step['call'][] = ['acquire', 'tryAcquire', 'using', 'acquireAll', 'tryAcquireAll'];
const takesPermits: readonly Step['call'][] = ['acquire', 'tryAcquire', 'using'];

/** How many of the calls ask for permits, and how many for shared locks. */
export interface ModeMix {
  readonly permits: number;
  readonly shared: number;
  /** How many of the exclusive ones are turned into shared ones. */
  readonly downgrades: number;
}

/** A simulation is often about one of the modes. */
export function drawModeMix(random: Random): ModeMix {
  return random.pick([
    { permits: 0.2, shared: 0.4, downgrades: 0.25 },
    { permits: 0.8, shared: 0.1, downgrades: 0.25 },
    { permits: 0, shared: 0.5, downgrades: 0.25 },
    { permits: 0, shared: 0.8, downgrades: 0.9 },
  ]);
}

/** Makes some of the calls ask for shared locks, or for permits, and some of the exclusive ones downgrade. */
export function withModes(random: Random, step: Step, mix: ModeMix): Step {
  const inside = step.inside.map((deed) =>
    deed.do === 'nested' ? { ...deed, step: withModes(random, deed.step, mix) } : deed,
  );
  const drawn = random.next();
  if (drawn < mix.permits && takesPermits.includes(step.call)) {
    const { reentrant: _, ...options } = step.options;
    const permits = random.pick([1, 1, 1, 2, 3]);
    return { ...step, key: semaphore.key, options: { ...options, permits }, inside };
  }
  if (drawn < mix.permits + mix.shared && takesMode.includes(step.call)) {
    return { ...step, options: { ...step.options, mode: 'shared' }, inside };
  }
  if (step.call === 'forceRelease' || step.call === 'inspect')
    return random.chance(0.2) ? { ...step, key: semaphore.key } : step;
  return { ...step, inside: random.chance(mix.downgrades) ? withDowngrade(random, inside) : inside };
}

function withDowngrade(random: Random, inside: readonly Deed[]): Deed[] {
  const at = random.int(0, inside.length);
  const awaited = random.chance(0.8);
  // It waits for a renewal that is on its way, and what is nested begins meanwhile.
  const renewal: Deed[] = awaited ? [] : [{ do: 'renew', ttlMs: undefined, awaited: false }];
  return [...inside.slice(0, at), ...renewal, { do: 'downgrade', awaited }, ...inside.slice(at)];
}

/** Whether these options ask for anything but an exclusive lock. */
export const isOtherMode = ({ mode, permits }: StepOptions): boolean => mode !== undefined || permits !== undefined;

/** Whether the rules allow those who ask for this to hold the key at one time. */
export function goTogether(asked: readonly StepOptions[]): boolean {
  const permits = asked.reduce((sum, one) => sum + (one.permits ?? 0), 0);
  if (permits > 0) return permits <= semaphore.limit;
  return asked.every(({ mode }) => mode === 'shared');
}

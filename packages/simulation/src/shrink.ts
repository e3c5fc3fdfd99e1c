import type { Deed, Schedule, Step } from './schedule/types.ts';

/**
 * Makes a failing schedule smaller as long as it still fails: leaves out steps, faults, deeds and options, one after the
 * other, until none can go or the time is up.
 */
export async function shrink(
  schedule: Schedule,
  stillFails: (smaller: Schedule) => Promise<boolean>,
  budgetMs: number,
): Promise<Schedule> {
  const until = performance.now() + budgetMs;
  let best = schedule;
  for (let changed = true; changed && performance.now() < until; ) {
    changed = false;
    for (const list of [halves, singles, simpler]) {
      // The candidates are made from what is best by then: after a success, the same position is tried again.
      for (let i = 0; performance.now() < until; ) {
        const smaller = list(best)[i];
        if (smaller === undefined) break;
        if (await stillFails(smaller)) {
          best = smaller;
          changed = true;
        } else i += 1;
      }
    }
  }
  return best;
}

const without = <T>(items: readonly T[], from: number, count = 1): T[] => [
  ...items.slice(0, from),
  ...items.slice(from + count),
];

function* chunks<T>(items: readonly T[], count: number): Generator<T[]> {
  for (let from = 0; from < items.length; from += count) yield without(items, from, count);
}

/** Large parts at once. */
function halves(schedule: Schedule): Schedule[] {
  const { steps, faults } = schedule;
  const smaller: Schedule[] = [];
  for (const share of [2, 4]) {
    const stepCount = Math.ceil(steps.length / share);
    const faultCount = Math.ceil(faults.length / share);
    if (stepCount > 1) for (const fewer of chunks(steps, stepCount)) smaller.push({ ...schedule, steps: fewer });
    if (faultCount > 1) for (const fewer of chunks(faults, faultCount)) smaller.push({ ...schedule, faults: fewer });
  }
  return smaller;
}

function singles(schedule: Schedule): Schedule[] {
  return [
    ...[...chunks(schedule.faults, 1)].map((faults) => ({ ...schedule, faults })),
    ...[...chunks(schedule.steps, 1)].map((steps) => ({ ...schedule, steps })),
    ...[...chunks(schedule.claims ?? [], 1)].map((claims) => ({ ...schedule, claims })),
  ];
}

/** Plainer steps, processes and networks. */
function simpler(schedule: Schedule): Schedule[] {
  const { steps, clients, network } = schedule;
  const smaller: Schedule[] = [];
  if (network.slowRate > 0) smaller.push({ ...schedule, network: { ...network, slowRate: 0 } });
  for (const [i, step] of steps.entries()) {
    for (const plainer of plainerSteps(step)) smaller.push({ ...schedule, steps: steps.with(i, plainer) });
  }
  for (const [i, client] of clients.entries()) {
    const replace = (plainer: typeof client): void =>
      void smaller.push({ ...schedule, clients: clients.with(i, plainer) });
    if (client.wallOffsetMs !== 0) replace({ ...client, wallOffsetMs: 0 });
    if (client.rate !== 1) replace({ ...client, rate: 1 });
    for (const [j, locks] of client.locks.entries()) {
      for (const name of Object.keys(locks) as (keyof typeof locks)[]) {
        if (name === 'ttlMs' || locks[name] === undefined) continue;
        replace({ ...client, locks: client.locks.with(j, { ...locks, [name]: undefined }) });
      }
    }
  }
  return smaller;
}

function plainerSteps(step: Step): Step[] {
  const { inside, options } = step;
  const smaller: Step[] = [...chunks(inside, 1)].map((fewer) => ({ ...step, inside: fewer }));
  for (const [i, deed] of inside.entries()) {
    if (deed.do !== 'nested') continue;
    for (const nested of plainerSteps(deed.step)) {
      const changed: Deed = { ...deed, step: nested };
      smaller.push({ ...step, inside: inside.with(i, changed) });
    }
  }
  for (const name of Object.keys(options) as (keyof typeof options)[]) {
    if (options[name] !== undefined) smaller.push({ ...step, options: { ...options, [name]: undefined } });
  }
  if (step.release === 'twice') smaller.push({ ...step, release: 'once' });
  if (step.watches !== 'both') smaller.push({ ...step, watches: 'both' });
  return smaller;
}

/** Bugs of what is not built yet. Tests may name some of them already: what is there of it cannot have them. */
export const plannedHazards: Readonly<Record<number, string>> = {
  ...Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [
      91 + i,
      'not built yet (queue, shared claims, permits, several keys: planned)',
    ]),
  ),
  121: 'not built yet (the fair queue of processes: planned)',
  122: 'not built yet (the fair queue of processes: planned)',
};

/** Why a hazard is named by no case and no test, by its number. One that is covered must not stand here. */
export const notCovered: Readonly<Record<number, string>> = {
  18: 'not by a test of its own: the scripts run on clusters of three masters, with names of all kinds (H16, H17), which refuse a key of another slot; an undeclared key of the same slot would pass',
  21: 'not tested yet, and not prevented: a server that evicts drops locks, so the README of redis-protocol asks for `noeviction`; a lost key is noticed by the next renewal (H20)',
  29: 'not by a test of its own: the simulated network of adapter-redlock (H28) also delays renewals, and finds two holders if their time is not counted',
  ...plannedHazards,
};

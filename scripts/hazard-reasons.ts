/** Why a hazard is named by no case and no test, by its number. One that is covered must not stand here. */
export const notCovered: Readonly<Record<number, string>> = {
  18: 'it has no test of its own: the scripts run with names of all kinds on clusters of three masters (H16, H17), and a cluster refuses a key of another slot; an undeclared key of the same slot would pass',
  21: 'it is not tested yet, and not prevented: a server that evicts keys drops locks, so the README of redis-protocol asks for `noeviction`; the next renewal notices a lost key (H20)',
  29: 'it has no test of its own: the simulated network of adapter-redlock (H28) also delays renewals, and finds two holders if their time is not counted',
  122: 'it has no test: a release looks at the queue of its own key alone, and `pnpm bench --only queue` measures a lone task beside 100 idle subscribers',
};

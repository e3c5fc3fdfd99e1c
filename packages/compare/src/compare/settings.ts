import { faultTtlMs } from '../faults/scenarios.ts';
import type { CompareOptions } from '../options.ts';
import type { Setting } from '../report/schema.ts';
import { memoryMeans } from './running-backend.ts';
import { scaleTtlMs } from './scale.ts';

/** What a reader has to know of a run, in words. */
export function settingsOf({ quick, rounds, only, backends }: CompareOptions): Setting[] {
  return [
    { name: 'Mode', value: quick ? 'quick: short slices and few rounds, so the figures are noisy' : 'full' },
    { name: 'Rounds', value: rounds === undefined ? 'as many as each part needs, in turns' : `${rounds}, in turns` },
    { name: 'Parts', value: only.join(', ') },
    { name: 'Backends', value: backends.join(', ') },
    {
      name: 'Processes',
      value: 'Each subject has a process of its own; servers and clients share one machine, and its loopback network.',
    },
    {
      name: 'Holdfast',
      value:
        'its defaults: a TTL of 30 s, automatic renewal, fencing tokens; clients with the defaults of their libraries',
    },
    {
      name: 'Held locks',
      value: `a TTL of ${scaleTtlMs(quick) / 1_000} s; measured for a third of it, in which each is renewed once`,
    },
    { name: 'Memory of servers', value: memoryMeans },
    {
      name: 'Requests',
      value:
        'as the servers count them: commands within Redis scripts count too, and so do pings; of PostgreSQL those that write',
    },
    {
      name: 'Faults',
      value:
        `a TTL, and ZooKeeper session, of ${faultTtlMs / 1_000} s, with Sentinel 30 s; the holder writes every 25 ms and does not ` +
        'look at its loss signal; several faults at a time, so that times include the wait for a processor',
    },
  ];
}

import { models } from '../backends/models.ts';
import type { Machine } from '../engine/machine.ts';
import type { Network } from '../engine/network.ts';
import { allSteps } from '../schedule/all-steps.ts';
import type { Schedule } from '../schedule/types.ts';
import type { Calls } from './calls.ts';
import type { Oracle } from './oracle.ts';

interface Terms {
  readonly schedule: Schedule;
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly calls: Calls;
  readonly oracle: Oracle;
}

/** Whether processes send more than what they wait for takes: gives what is to be called every second, at all times. */
export function createTrafficWatch({ schedule, network, machines, calls, oracle }: Terms): () => void {
  const traffic = new Map<number, { sent: number; grants: number; busyFor: number }>();
  const renewalsInASecond = (3_000 / shortestTtl(schedule)) * models[schedule.backend].servers(schedule.options);
  return () => {
    for (const [client, machine] of machines.entries()) {
      const sent = network.sentBy(client);
      const waiting = [...calls.open].filter((call) => call.machine === machine).length;
      const grants = oracle.events.length;
      const before = traffic.get(client);
      // A waiter asks about once in a second, or four times where it gets no hints.
      const mostSent = 120 + 40 * waiting + 2 * renewalsInASecond;
      const isBusy = before !== undefined && before.grants === grants && sent - before.sent > mostSent;
      traffic.set(client, { sent, grants, busyFor: isBusy ? before.busyFor + 1 : 0 });
      if (isBusy && before.busyFor >= 2) {
        oracle.fail(
          'asks without a pause',
          `${machine.name} has sent ${sent - before.sent} messages in a second, for three seconds on end, with ${waiting} calls open and no grant`,
        );
      }
    }
  };
}

/** The shortest lease that anybody asks for. */
function shortestTtl({ clients, steps }: Schedule): number {
  const asked = [
    ...clients.flatMap(({ locks }) => locks.map(({ ttlMs }) => ttlMs ?? 30_000)),
    ...allSteps(steps).map(({ options }) => options.ttlMs ?? 30_000),
  ];
  return Math.min(...asked);
}

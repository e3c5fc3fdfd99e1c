import type { Backend } from '../backends/backend.ts';
import type { Machine } from '../engine/machine.ts';
import type { Network } from '../engine/network.ts';
import type { World } from '../engine/world.ts';
import type { Fault } from '../schedule/types.ts';

/** Lets one fault happen now. */
export function strike(
  fault: Fault,
  world: World,
  network: Network,
  machines: readonly Machine[],
  backend: Backend,
): void {
  switch (fault.kind) {
    case 'pause':
      return machines[fault.client]!.pause(fault.ms);
    case 'suspend':
      return machines[fault.client]!.suspend(fault.ms);
    case 'crash': {
      machines[fault.client]!.crash();
      return network.resetAll(({ client }) => client === fault.client);
    }
    case 'step-wall':
      return machines[fault.client]!.stepWall(fault.ms);
    case 'silence':
    case 'stall':
      return network.disturb({ ...fault, lost: fault.kind === 'silence' }, fault.ms);
    case 'reset':
      return network.resetAll(({ client, server }) => client === fault.client && server === fault.server);
    case 'half-open':
      return network.halfOpen(fault.client, fault.server, fault.ms, fault.brokenAfterMs);
    case 'freeze':
      return network.hosts[fault.server]!.machine.pause(fault.ms);
    case 'outage': {
      const host = network.hosts[fault.server]!;
      host.isUp = false;
      network.resetAll(({ server }) => server === fault.server);
      world.after(fault.ms, () => {
        host.isUp = true;
      });
      return;
    }
    case 'server':
      return backend.fault(fault.name, fault.server, fault.ms);
  }
}

/** A fault in words. */
export function describeFault(fault: Fault): string {
  const ms = 'ms' in fault ? ` for ${Math.round(fault.ms)} ms` : '';
  switch (fault.kind) {
    case 'pause':
      return `process ${fault.client + 1} stands still${ms}`;
    case 'suspend':
      return `the machine of process ${fault.client + 1} sleeps${ms}`;
    case 'crash':
      return `process ${fault.client + 1} is killed`;
    case 'step-wall':
      return `the wall clock of process ${fault.client + 1} jumps by ${fault.ms} ms`;
    case 'silence':
    case 'stall': {
      const way = { there: 'requests', back: 'answers', both: 'all messages' }[fault.direction];
      const fate = fault.kind === 'silence' ? 'lost' : 'held up';
      return `${way} between process ${fault.client + 1} and server ${fault.server + 1} are ${fate}${ms}`;
    }
    case 'reset':
      return `the connections of process ${fault.client + 1} to server ${fault.server + 1} break`;
    case 'half-open':
      return `what process ${fault.client + 1} sends to server ${fault.server + 1} is held up${ms}, and its connections break after ${Math.round(fault.brokenAfterMs)} ms`;
    case 'freeze':
      return `server ${fault.server + 1} stands still${ms}`;
    case 'outage':
      return `server ${fault.server + 1} accepts no connections${ms}`;
    case 'server':
      return `server ${fault.server + 1}: ${fault.name}${ms}`;
  }
}

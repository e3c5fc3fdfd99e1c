import type { Machine } from '../../engine/machine.ts';
import type { Host } from '../../engine/network.ts';
import type { World } from '../../engine/world.ts';
import type { Change, Store } from './store.ts';
import { createWatches, type Watches } from './watches.ts';

/** One member of the cluster. */
export interface Member {
  readonly host: Host;
  readonly machine: Machine;
  readonly watches: Watches;
  /** The revision that it has applied. */
  readonly applied: number;
  /** When it will have applied everything that is committed. */
  readonly appliedAt: number;
  /** Whether it takes part: it runs, and reaches the others. */
  readonly isHealthy: boolean;
  /** It applies what the others have committed so much later. */
  lagMs: number;
  /** It reaches no other member until then. */
  cutOffUntil: number;
  apply(changes: readonly Change[], revision: number): void;
}

interface MemberTerms {
  readonly world: World;
  readonly machine: Machine;
  readonly store: Store;
  accept(member: Member): Host['accept'];
  /** It stopped, for so long if that is known, or was killed. */
  onTrouble(member: Member, killed: boolean): void;
  onRecovery(): void;
}

export function createMember({ world, machine, store, accept, onTrouble, onRecovery }: MemberTerms): Member {
  let isUp = true;
  let applied = store.revision;
  let appliedAt = 0;
  const { pause } = machine;
  machine.pause = (durationMs) => {
    pause(durationMs);
    onTrouble(member, false);
    world.after(durationMs + 0.01, () => onRecovery());
  };
  const host: Host = {
    machine,
    get isUp() {
      return isUp;
    },
    set isUp(up) {
      if (up === isUp) return;
      isUp = up;
      if (up) onRecovery();
      else onTrouble(member, true);
    },
    accept: (connection) => accept(member)(connection),
  };
  const member: Member = {
    host,
    machine,
    watches: createWatches(
      store,
      () => applied,
      // etcd looks for watches that have to catch up every 100 ms.
      (run) => void world.after(machine.random.next() * 100, () => machine.receive(run)),
    ),
    get applied() {
      return applied;
    },
    get appliedAt() {
      return appliedAt;
    },
    get isHealthy() {
      return isUp && machine.state === 'running' && member.cutOffUntil <= world.now;
    },
    lagMs: 0,
    cutOffUntil: 0,
    apply(changes, revision) {
      appliedAt = Math.max(appliedAt, member.cutOffUntil, world.now + machine.random.next() * (0.2 + member.lagMs));
      world.at(appliedAt, () =>
        machine.receive(() => {
          applied = revision;
          member.watches.apply(changes);
        }),
      );
    },
  };
  return member;
}

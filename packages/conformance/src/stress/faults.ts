import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxies } from '../faults/proxies.ts';
import type { FaultProxy } from '../faults/types.ts';
import type { Hooks } from '../harness.ts';
import type { Nemesis } from './options.ts';
import { type Random, randomFrom } from './random.ts';
import type { Worker } from './workers.ts';

/** What the faults are injected into. */
export interface Scene {
  readonly seed: string;
  readonly leaseMs: number;
  readonly workers: () => readonly Worker[];
  readonly proxies: FaultProxies | undefined;
  readonly hooks: Hooks;
  /** Told when a fault begins. */
  readonly onFault: (nemesis: Nemesis, what: string) => void;
  /** Puts another process in the place of one that was killed. */
  readonly replace: (killed: Worker) => Promise<void>;
}

// What is frozen cannot be restarted, so these come one after another.
const onServers: ReadonlySet<Nemesis> = new Set(['freeze', 'restart']);

/**
 * Plays faults until `stop`; each kind goes on by itself, so that they fall together as chance has it, but for those of the
 * servers. Everything is healed at the end.
 */
export async function injectFaults(nemesis: readonly Nemesis[], scene: Scene, stop: AbortSignal): Promise<void> {
  const alone = nemesis.filter((name) => !onServers.has(name)).map((name) => [name]);
  const together = nemesis.filter((name) => onServers.has(name));
  await Promise.all(
    [...alone, together].map(async (names) => {
      const random = randomFrom(`${scene.seed}/${names.join()}`);
      const rest = async (ms: number) => sleep(ms, undefined, { signal: stop }).catch(() => {});
      let left: readonly Nemesis[] = names;
      while (names.length > 0 && !stop.aborted) {
        // Between the faults there has to be time in which locks are had and lost by the faults that come.
        await rest(random.between(0.5, 2.5) * scene.leaseMs);
        if (stop.aborted) continue;
        // Each of them once before any comes again, so that a short run has all.
        if (left.length === 0) left = names;
        const name = random.pick(left);
        left = left.filter((other) => other !== name);
        await injectors[name](scene, random, rest);
      }
    }),
  );
}

type Injector = (scene: Scene, random: Random, rest: (ms: number) => Promise<void>) => Promise<void>;

/** Mostly shorter than the lease, so that locks are kept through it; sometimes longer, so that they are lost. */
const lengthOf = (random: Random, leaseMs: number): number =>
  random.pick([0.2, 0.6, 1.2, 1.8]) * leaseMs * random.between(0.5, 1);

const injectors: Readonly<Record<Nemesis, Injector>> = {
  async pause({ workers, leaseMs, onFault }, random, rest) {
    const running = workers().filter(({ alive, paused }) => alive && !paused);
    if (running.length === 0) return;
    const worker = random.pick(running);
    const ms = lengthOf(random, leaseMs);
    onFault('pause', `${worker.label} stands still for ${Math.round(ms)} ms`);
    worker.pause();
    await rest(ms);
    worker.resume();
  },

  async kill({ workers, onFault, replace }, random) {
    const living = workers().filter(({ alive }) => alive);
    if (living.length === 0) return;
    const worker = random.pick(living);
    onFault('kill', `${worker.label} is killed`);
    worker.kill();
    await worker.gone;
    await replace(worker);
  },

  async cut({ proxies, leaseMs, onFault }, random, rest) {
    const all = proxies!.proxies;
    // Of several servers mostly one; now and then all of them.
    const hit = random.next() < 0.7 ? [random.pick(all)] : all;
    const { what, begin } = random.pick(breaks);
    const ms = lengthOf(random, leaseMs);
    const where = hit.length === all.length ? (all.length === 1 ? 'the server' : 'all servers') : 'one server';
    onFault('cut', `${what} before ${where}, ${Math.round(ms)} ms`);
    for (const proxy of hit) begin(proxy, ms);
    await rest(ms);
    await Promise.all(hit.map((proxy) => proxy.heal()));
  },

  async freeze({ hooks, leaseMs, onFault }, random, rest) {
    const ms = lengthOf(random, leaseMs);
    onFault('freeze', `the servers stand still for ${Math.round(ms)} ms`);
    const thaw = await hooks.freeze!();
    await rest(ms);
    await thaw();
  },

  async restart({ hooks, onFault }) {
    onFault('restart', 'the servers crash and start again');
    await hooks.restart!();
  },
};

/** The ways in which connections go wrong. */
const breaks: readonly { readonly what: string; begin(proxy: FaultProxy, ms: number): void }[] = [
  { what: 'connections are reset', begin: (proxy) => proxy.cut() },
  { what: 'connections are refused', begin: (proxy) => proxy.refuse() },
  { what: 'requests are swallowed', begin: (proxy) => proxy.blackHole('to-server') },
  { what: 'replies are swallowed', begin: (proxy) => proxy.blackHole('to-client') },
  { what: 'all is swallowed', begin: (proxy) => proxy.blackHole() },
  { what: 'all is held back', begin: (proxy) => proxy.hold() },
  { what: 'replies are held back', begin: (proxy) => proxy.hold('to-client') },
  { what: 'replies are late', begin: (proxy, ms) => proxy.delay(ms / 3, 'to-client') },
];

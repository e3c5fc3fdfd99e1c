import * as asyncHooks from 'node:async_hooks';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import type { LastingCollections } from './lasting-collections.ts';
import type { Machine, Timer } from './machine.ts';

const require = createRequire(import.meta.url);

/** What a program sees in place of Node's own globals and modules; the machine may be exchanged between two runs. */
export interface Environment {
  machine: Machine;
  /** What `require('net')` gives. */
  net: object;
  /** Modules by name, over Node's own. */
  readonly modules: Map<string, unknown>;
  readonly require: (name: string) => unknown;
  readonly globals: Readonly<Record<string, unknown>>;
}

/** The names of the globals that every program is compiled with. */
export const globalNames = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
  'Math',
  'process',
  'AbortSignal',
  'Map',
  'Set',
  'globalThis',
] as const;

/** Makes the globals and modules of one program. Whatever depends on time or chance comes from the machine. */
export function createEnvironment(
  machine: Machine,
  net: object,
  isLibrary = false,
  collections: LastingCollections['globals'] = { Map, Set },
): Environment {
  const timers = timerFunctions(() => environment.machine, isLibrary);
  const performance = { now: () => environment.machine.now(), timeOrigin: 0, mark() {}, measure() {} };
  const random = (): number => environment.machine.random.next();
  const sleep = sleeper(timers.setTimeout, timers.clearTimeout);
  const modules = new Map<string, unknown>();
  const builtIn: Record<string, () => unknown> = {
    net: () => currentNet(() => environment.net as Net),
    timers: () => timers,
    'timers/promises': () => ({ setTimeout: sleep, setImmediate: () => sleep(0) }),
    perf_hooks: () => ({ performance }),
    async_hooks: () => ({ ...asyncHooks, AsyncLocalStorage: SharedStorage }),
    crypto: () => seededCrypto(() => environment.machine),
    // Node reads a file while events go on; here it has been read when the event is over.
    fs: () => ({ ...syncOnly, promises: readsAtOnce }),
    'fs/promises': () => readsAtOnce,
    dns: () => ({ lookup: (host: string, done: (error: null, address: string) => void) => done(null, host) }),
  };
  const environment: Environment = {
    machine,
    net,
    modules,
    require(name) {
      const bare = name.replace(/^node:/, '');
      if (modules.has(bare)) return modules.get(bare);
      const made = builtIn[bare]?.() ?? require(name);
      modules.set(bare, made);
      return made;
    },
    globals: withGlobalThis({
      ...timers,
      Date: virtualDate(() => environment.machine.wallNow()),
      performance,
      Math: Object.assign(Object.create(Math) as object, { random }),
      process: virtualProcess(),
      AbortSignal: virtualAbortSignal(timers.setTimeout),
      ...collections,
    }),
  };
  return environment;
}

const shared = new asyncHooks.AsyncLocalStorage<ReadonlyMap<object, unknown>>();

/**
 * `AsyncLocalStorage` as far as libraries use it, on top of a single one: Node goes through all that were ever used whenever
 * a promise is made, and each simulated process makes its own.
 */
class SharedStorage {
  getStore(): unknown {
    return shared.getStore()?.get(this);
  }
  run<T>(value: unknown, fn: (...args: unknown[]) => T, ...args: unknown[]): T {
    return shared.run(new Map(shared.getStore()).set(this, value), fn, ...args);
  }
  exit<T>(fn: (...args: unknown[]) => T, ...args: unknown[]): T {
    return this.run(undefined, fn, ...args);
  }
  enterWith(value: unknown): void {
    shared.enterWith(new Map(shared.getStore()).set(this, value));
  }
  disable(): void {}
}

/** Some take the globals from `globalThis`. Defined, not assigned: Node's own setters would change this process's globals. */
function withGlobalThis(globals: Record<string, unknown>): Record<string, unknown> {
  const all = { ...globals, queueMicrotask: globalThis.queueMicrotask };
  return { ...globals, globalThis: Object.create(globalThis, Object.getOwnPropertyDescriptors(all)) };
}

const syncOnly = Object.fromEntries(Object.entries(fs).filter(([name]) => name.endsWith('Sync')));
const readsAtOnce = {
  readFile: async (...args: Parameters<typeof fs.readFileSync>) => fs.readFileSync(...args),
};

type Net = Record<string, (...args: unknown[]) => object>;

/** Libraries keep what `require('net')` gave them; the network behind it changes from simulation to simulation. */
function currentNet(net: () => Net): Net {
  const names = ['connect', 'createConnection', 'isIP', 'isIPv6'];
  // A function that is called with `new` gives the object that it returns.
  const Socket = function Socket() {
    return net().socket!();
  };
  return { ...Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => net()[name]!(...args)])), Socket };
}

type Start = (callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) => unknown;

function timerFunctions(machine: () => Machine, isLibrary: boolean) {
  const counted = (timer: Timer): Timer => {
    if (isLibrary) machine().discount(timer);
    return timer;
  };
  const clear = (timer: unknown): void => machine().clear(timer);
  return {
    setTimeout: ((callback, delayMs, ...args) => counted(machine().setTimeout(callback, delayMs, ...args))) as Start,
    clearTimeout: clear,
    setInterval: ((callback, delayMs, ...args) => counted(machine().setInterval(callback, delayMs, ...args))) as Start,
    clearInterval: clear,
    setImmediate: (callback: () => void, ...args: unknown[]) => counted(machine().setImmediate(callback, ...args)),
    clearImmediate: clear,
  };
}

function sleeper(start: Start, clear: (timer: unknown) => void) {
  return (delayMs: number, value?: unknown, options: { signal?: AbortSignal } = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { signal } = options;
      const aborted = (): void => {
        clear(timer);
        reject(Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' }));
      };
      const timer = start(() => {
        signal?.removeEventListener('abort', aborted);
        resolve(value);
      }, delayMs);
      if (signal?.aborted) aborted();
      else signal?.addEventListener('abort', aborted, { once: true });
    });
}

function seededCrypto(machine: () => Machine): object {
  const randomBytes = (size: number): Buffer => {
    const made = Buffer.allocUnsafe(size);
    const { random } = machine();
    for (let i = 0; i < size; i++) made[i] = random.int(0, 255);
    return made;
  };
  const randomInt = (...args: number[]): number => {
    const [least, below] = args.length > 1 ? [args[0]!, args[1]!] : [0, args[0]!];
    return machine().random.int(least, below - 1);
  };
  const randomUUID = (): string => {
    const hex = randomBytes(16).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  };
  return { createHash, randomBytes, randomInt, randomUUID, getRandomValues: undefined, webcrypto: {} };
}

function virtualDate(now: () => number): DateConstructor {
  return new Proxy(Date, {
    construct: (target, args: unknown[]) => (args.length === 0 ? new target(now()) : new target(...(args as [number]))),
    apply: () => String(new Date(now())),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}

/** A process whose listeners nobody hears: a simulated one never exits by itself. */
function virtualProcess(): object {
  const silent = { on: () => {}, off: () => {}, once: () => {}, removeListener: () => {}, emitWarning: () => {} };
  return Object.assign(Object.create(process) as object, silent, {
    env: {},
    nextTick: process.nextTick.bind(process),
    hrtime: undefined,
  });
}

function virtualAbortSignal(start: Start): typeof AbortSignal {
  const timeout = (delayMs: number): AbortSignal => {
    const controller = new AbortController();
    start(
      () => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')),
      delayMs,
    );
    return controller.signal;
  };
  return new Proxy(AbortSignal, { get: (target, name) => (name === 'timeout' ? timeout : Reflect.get(target, name)) });
}

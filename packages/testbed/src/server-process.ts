import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, isRunning } from './children.ts';
import { launcher } from './folders.ts';
import { until } from './polling.ts';
import { localhost } from './ports.ts';
import { waitUntilStopped } from './process-frozen.ts';

/** A real server of this machine, owned by this process. `await using` stops it. */
export interface ServerProcess extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** The server's own process id; a new one after `restart`. */
  readonly pid: number;
  /** The tail of its output, also after `stop`. */
  readonly logs: string;
  /** Stops the process in its tracks (SIGSTOP): connections stay open, nothing is answered from when this returns. */
  freeze(): void;
  /** Lets a frozen process go on (SIGCONT). */
  thaw(): void;
  /** SIGKILL; resolves when the process is gone. Port, folder and data stay, for `restart`. */
  kill(): Promise<void>;
  /** Starts it again on the same port, killing it first when it runs; `empty` wipes the data. Resolves when it answers. */
  restart(options?: { empty?: boolean }): Promise<void>;
  /** Kills it, frozen or not, and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

/** How to start one server. */
export interface ServerPlan {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** From `serverFolder`. `data` in it is made before the start and is what `restart({ empty: true })` wipes. */
  readonly folder: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The user to run as, for a server that refuses root; default ours. The folder must belong to it. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** The server is a family of processes: freeze, thaw and kill must reach its children too. */
  readonly forks?: boolean;
  /** Writes what the server wants to find; runs before the first start and after a wipe. */
  readonly prepare?: () => Promise<void>;
  /** True once the server with this pid answers; false, a rejection or no answer within `timeoutMs`: not yet. */
  readonly healthy: (pid: number, timeoutMs: number) => Promise<boolean>;
}

const readyWithinMs = 30_000;
const tailBytes = 16_384;

/** Starts a server and resolves when it is healthy; rejects with the tail of its log when it dies or takes over 30 s. */
export async function startServer(plan: ServerPlan, signal?: AbortSignal): Promise<ServerProcess> {
  const { name, folder, port, url } = plan;
  const data = join(folder, 'data');
  const log = join(folder, 'log');
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();
  let lastPid = 0;
  let lastLogs = '';
  let stopped = false;

  const launch = async (): Promise<void> => {
    const output = openSync(log, 'a'); // a file: a pipe that nobody reads would block the server
    const started = spawn('/bin/sh', ['-c', launcher, 'launcher', folder, ...plan.command], {
      cwd: folder,
      detached: true, // Ctrl-C in a terminal must not stop servers under running tests
      env: { ...process.env, ...plan.env },
      ...plan.user,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    child = started;
    lastPid = started.pid ?? 0;
    exited = new Promise((resolve) => {
      const gone = (): void => {
        if (child === started) child = undefined;
        rmSync(join(folder, 'pid'), { force: true }); // the number may soon belong to another process
        resolve();
      };
      started.once('exit', gone);
      started.once('error', gone);
    });
    started.unref();
    await untilHealthy();
  };

  const untilHealthy = async (): Promise<void> => {
    const giveUpAt = performance.now() + readyWithinMs;
    let timeoutMs = 250;
    for (;;) {
      if (!child) throw new Error(`${name} ended before it was ready. ${logTail()}`);
      const askedAt = performance.now();
      if (await plan.healthy(lastPid, timeoutMs).catch(() => false)) return;
      const now = performance.now();
      if (now > giveUpAt) throw new Error(`${name} was not ready in ${readyWithinMs} ms. ${logTail()}`);
      // ZooKeeper never answers a request that arrives while it starts; on a slow machine, each attempt needs a longer time-out.
      if (now - askedAt >= timeoutMs) timeoutMs = Math.min(timeoutMs * 2, 5000);
      signal?.throwIfAborted();
      await sleep(15);
    }
  };

  const logTail = (): string => `The end of its log:\n${logs()}`;
  const logs = (): string => (existsSync(log) ? readFileSync(log).subarray(-tailBytes).toString() : lastLogs);

  const kill = async (): Promise<void> => {
    child?.ref(); // the process must not end while it waits for this
    const family = child && plan.forks ? stopFamily(child) : [];
    child?.kill('SIGKILL');
    signalAll(family, 'SIGKILL');
    await exited;
    // What they share with their parent is free only when all are gone.
    await until(`${name} has children that do not end`, async () => !family.some(isRunning));
    forget(family);
  };

  const stopOne = (started: ChildProcess): void => {
    started.kill('SIGSTOP');
    waitUntilStopped(lastPid);
  };

  /** Stops the parent first, so that no child is missed; answers the children. */
  const stopFamily = (parent: ChildProcess): number[] => {
    stopOne(parent);
    const family = childrenOf(lastPid);
    // A stopped child does not notice that its parent is gone: the janitor must know it.
    for (const pid of family) writeFileSync(join(folder, `pid-${pid}`), String(pid));
    signalAll(family, 'SIGSTOP');
    family.forEach(waitUntilStopped);
    return family;
  };

  const forget = (family: readonly number[]): void => {
    for (const pid of family) rmSync(join(folder, `pid-${pid}`), { force: true });
  };

  const running = (what: string): ChildProcess => {
    if (!child) throw new Error(`${name} on port ${port} is not running: restart() it before ${what}`);
    return child;
  };

  const freeze = (): void => {
    const parent = running('SIGSTOP');
    if (plan.forks) stopFamily(parent);
    else stopOne(parent);
  };

  const thaw = (): void => {
    const parent = running('SIGCONT');
    const family = plan.forks ? childrenOf(lastPid) : [];
    signalAll(family, 'SIGCONT');
    parent.kill('SIGCONT');
    forget(family);
  };

  const prepare = async (): Promise<void> => {
    await mkdir(data, { recursive: true, mode: 0o700 });
    await plan.prepare?.();
  };

  const stop = async (): Promise<void> => {
    stopped = true;
    await kill();
    lastLogs = logs();
    await removeFolder(folder);
  };

  const server: ServerProcess = {
    host: localhost,
    port,
    url,
    get pid() {
      return lastPid;
    },
    get logs() {
      return logs();
    },
    freeze,
    thaw,
    kill,
    async restart({ empty = false } = {}) {
      if (stopped) throw new Error(`${name} on port ${port} was stopped and its folder removed: start a new one`);
      await kill();
      if (empty) {
        await removeFolder(data);
        await prepare();
      }
      await launch();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };

  try {
    await prepare();
    await launch();
    return server;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A child of Redis that saves for a replica outlives it for a moment, and still writes there. */
const removeFolder = (path: string): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 10 });

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // it has ended by itself
    }
  }
}

/** Starts servers side by side; when one fails the others are stopped, and its error is thrown. */
export async function startTogether<T extends { stop(): Promise<void> }>(
  starts: readonly ((signal: AbortSignal) => Promise<T>)[],
): Promise<T[]> {
  const abort = new AbortController();
  let failure: { error: unknown } | undefined;
  const results = await Promise.all(
    starts.map((start) =>
      start(abort.signal).catch((error: unknown) => {
        failure ??= { error };
        abort.abort();
      }),
    ),
  );
  const servers = results.filter((server) => server !== undefined);
  if (!failure) return servers as T[];
  await stopAll(servers);
  throw failure.error;
}

/** Stops all, even when one of them fails to. */
export async function stopAll(servers: readonly ({ stop(): Promise<void> } | undefined | void)[]): Promise<void> {
  await Promise.all(servers.map((server) => server?.stop()));
}

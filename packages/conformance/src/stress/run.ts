import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import manifest from '../../package.json' with { type: 'json' };
import { faultProxies } from '../faults/proxies.ts';
import type { Harness } from '../harness.ts';
import { readHistoryFiles } from '../history/events.ts';
import { createRegister } from '../processes/register.ts';
import { messageOf } from '../suite.ts';
import { injectFaults } from './faults.ts';
import { type Judgement, judge } from './judge.ts';
import type { Orphan } from './messages.ts';
import { type Nemesis, type StressOptions, type StressProgress, stressSettings } from './options.ts';
import { countsOf, type StressReport } from './report.ts';
import { startWorker, type Worker } from './workers.ts';

/** A stress run: its report, and what explains it. */
export interface StressRun extends Judgement {
  readonly report: StressReport;
  /** The faults in their order; `t` is the time on the clock of the history. */
  readonly faults: readonly { readonly t: number; readonly what: string }[];
}

/** How long a process may take to end its work: longer than any call of a lock. */
const endWithinMs = 45_000;

/**
 * Runs processes that use locks at random while faults are injected, and checks the history of everything that they did.
 *
 * @throws TypeError for options that the harness does not allow; Error if the first processes cannot open the backend
 */
export async function runStress(harness: Harness, options: StressOptions): Promise<StressRun> {
  const settings = stressSettings(harness, options, () => randomBytes(4).toString('hex'));
  const { seed, nemesis, leaseMs, graceMs, ttlMs } = settings;
  const { module, options: adapterOptions, execArgv = process.execArgv } = harness.process!();
  const newKey = (_: unknown, i: number) => `stress-${seed}-${randomBytes(8).toString('hex')}-${i}`;
  const keys = Array.from({ length: settings.keys }, newKey);
  // Half as many of them: each has several holders.
  const pools = Array.from({ length: Math.ceil(settings.keys / 2) }, newKey);
  const register = createRegister();
  const troubles: string[] = [];
  const faults: { t: number; nemesis: Nemesis; what: string }[] = [];
  const all: Worker[] = [];
  const files: string[] = [];
  let workers: Worker[] = [];

  const start = (patient: boolean): Worker => {
    const label = `P${all.length + 1}`;
    const file = join(options.folder, `${label}.jsonl`);
    files.push(file);
    const at = proxies?.proxies.map(({ host, port }) => ({ host, port }));
    const { clients, tasks } = settings;
    const worker = startWorker(
      {
        label,
        file,
        module: String(module),
        options: adapterOptions ?? null,
        at,
        seed,
        keys,
        pools,
        clients,
        tasks,
        ttlMs,
        patient,
      },
      {
        write: (key, fence) => register.write(key, 0, fence),
        trouble: (what) => void troubles.push(what),
      },
      execArgv,
    );
    all.push(worker);
    return worker;
  };

  const startedAt = performance.now();
  const tell = (doing: StressProgress['doing']): void => {
    const holds = all.reduce((sum, worker) => sum + worker.holds, 0);
    options.onProgress?.({ elapsedMs: performance.now() - startedAt, holds, faults: faults.length, doing });
  };
  const proxies = nemesis.includes('cut') ? await faultProxies(harness.servers!()) : undefined;
  // Also if the program ends early: a worker that was paused by SIGSTOP would stay paused.
  const killAll = (): void => all.forEach((worker) => void worker.kill());
  process.once('exit', killAll);
  const ticker = setInterval(() => tell('running'), 1_000);
  try {
    workers = Array.from({ length: settings.processes }, () => start(false));
    await Promise.all(workers.map(({ ready }) => ready));
    const begunAt = performance.now();
    const stopping = new AbortController();
    const injecting = injectFaults(
      nemesis,
      {
        ...{ seed, leaseMs, proxies, hooks: harness.hooks ?? {}, workers: () => workers },
        onFault: (name, what) => void faults.push({ t: Number(process.hrtime.bigint()) / 1e6, nemesis: name, what }),
        async replace(killed) {
          const next = start(true);
          workers = workers.map((worker) => (worker === killed ? next : worker));
          // The next kill is to meet processes at work, not at their start.
          await Promise.race([next.ready.catch(() => {}), once(stopping.signal, 'abort')]);
        },
      },
      stopping.signal,
    );
    await Promise.race([sleep(settings.durationMs, undefined, { signal: options.signal }).catch(() => {}), injecting]);
    const ms = performance.now() - begunAt;
    if (proxies?.proxies.every(({ bytes }) => bytes.toServer === 0)) {
      throw new TypeError(
        'Nothing went through the proxies: openAdapter(options, at) of the module for processes must connect to `at`',
      );
    }

    tell('stopping');
    stopping.abort();
    await injecting;
    await proxies?.heal();
    for (const worker of workers) {
      const late = sleep(endWithinMs, `${worker.label} did not end its work within ${endWithinMs / 1_000} s`, {
        ref: false,
      });
      const ended = worker.stop().then(() => undefined, messageOf);
      const problem = await Promise.race([ended, late]);
      if (problem !== undefined && worker.alive) troubles.push(problem);
    }
    tell('claiming');
    const orphans = await claimAll(workers, [...keys, ...pools], leaseMs + 2 * ttlMs + graceMs);

    tell('checking');
    // One that was killed at its start has no history.
    const { history, violations } = judge(readHistoryFiles(...files.filter(existsSync)));
    const counts = countsOf(history);
    const report: StressReport = {
      suite: { name: manifest.name, version: manifest.version },
      harness: harness.name,
      versions: (await harness.versions?.()) ?? {},
      node: process.version,
      machine: machine(),
      capabilities: harness.capabilities,
      settings,
      ms,
      interrupted: options.signal?.aborted ?? false,
      processes: all.length,
      faults: Object.fromEntries(
        nemesis.map((name) => [name, faults.filter((fault) => fault.nemesis === name).length]),
      ),
      counts,
      violations: violations.map(({ message }) => message),
      orphans,
      troubles,
      ok: violations.length + orphans.length + troubles.length === 0 && counts.granted > 0,
    };
    return { report, history, violations, faults };
  } finally {
    clearInterval(ticker);
    killAll();
    process.off('exit', killAll);
    await Promise.all(all.map(({ gone }) => gone));
    await proxies?.close();
  }
}

/** Without a proxy, by a process that did end its work. */
async function claimAll(workers: readonly Worker[], keys: readonly string[], withinMs: number): Promise<Orphan[]> {
  for (const worker of workers) {
    if (!worker.alive) continue;
    return worker.claim(withinMs).catch((error) => keys.map((key) => ({ key, why: messageOf(error) })));
  }
  return keys.map((key) => ({ key, why: 'no process was left to look' }));
}

function machine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`;
}

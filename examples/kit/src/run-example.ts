import { parseArgs } from 'node:util';
import { startRedis } from '@holdfast/testbed';
import { isLockError, openLocks } from 'holdfast';
import { say } from './output.ts';

/** Where an example runs. */
export interface Stage {
  readonly url: string;
  /** Has something stopped at the end, or on Ctrl-C, the last first. */
  atEnd(stop: () => unknown): void;
}

/** What an example is. */
interface Example {
  readonly title: string;
  /** Whether one process is all it has, so that `memory:` will do, and is the default. */
  readonly oneProcess?: boolean;
  /** True when it showed what it claims. */
  run(stage: Stage): Promise<boolean>;
}

/** Runs an example as a command: `--url` chooses the backend; the exit code is 0 when it showed what it claims. */
export async function runExample({ title, oneProcess = false, run }: Example): Promise<void> {
  const stops: (() => unknown)[] = [];
  const stage = { atEnd: (stop: () => unknown) => void stops.unshift(stop) };
  const stopAll = async () => {
    for (const stop of stops.splice(0)) await stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stopAll().finally(() => process.exit(130)));
  }
  try {
    const url = readUrl() ?? (oneProcess ? 'memory:' : await ownRedis(stage));
    if (url === 'help') {
      say.line(
        `${title}\n\n  npm start -- --url <lock URL>   default: ${oneProcess ? 'memory:' : 'a Redis server of its own'}`,
      );
      return;
    }
    // Opened once beforehand: a wrong URL is one clear line here, and not one of each process.
    const locks = await openLocks(url, {
      backendTimeoutMs: 3_000,
      require: oneProcess ? { fencing: true } : { fencing: true, crossProcess: true },
    });
    const { name } = locks.adapter;
    await locks.close();
    say.title(`${title}  (${name})`);
    process.exitCode = (await run({ ...stage, url })) ? 0 : 1;
  } catch (error) {
    say.failure(isLockError(error) ? error.message : String((error as Error)?.stack ?? error));
    process.exitCode = 1;
  } finally {
    await stopAll();
  }
}

function readUrl(): string | undefined {
  const { values } = parseArgs({ options: { url: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
  return values.help ? 'help' : values.url;
}

async function ownRedis({ atEnd }: Pick<Stage, 'atEnd'>): Promise<string> {
  const server = await startRedis();
  atEnd(() => server.stop());
  return server.url;
}

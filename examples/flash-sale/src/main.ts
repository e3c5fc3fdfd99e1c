import { parseArgs } from 'node:util';
import { isLockError, openLocks } from 'holdfast';
import { backends } from './backends.ts';
import { handleInterrupts, isInterrupted, whenInterrupted } from './interrupt.ts';
import * as output from './output.ts';
import { runSale, type SaleResult } from './sale.ts';

const usage = `Flash sale: 1,000 buyers, 100 items, first without a lock, then under one.

  npm start                        in this process, backend memory:
  npm start -- --url <lock URL>    on that backend, from 4 processes (memory: stays in one)
  npm start -- --all               starts every backend by itself, with one table at the end
`;

handleInterrupts();
try {
  process.exitCode = await main();
} catch (error) {
  if (!isInterrupted()) {
    output.printFailure(isLockError(error) ? error.message : String((error as Error)?.stack ?? error));
    process.exitCode = 1;
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 1;
  if (options.help) {
    output.print(usage);
    return 0;
  }
  const rows = options.all ? await sellEverywhere() : [await sellOn(options.url ?? 'memory:')];
  if (options.all) output.printTable(rows);
  output.printNext(options.all);
  return rows.every((row) => output.isRight(row.locked)) ? 0 : 1;
}

interface Row {
  name: string;
  processes: number;
  unlocked: SaleResult;
  locked: SaleResult;
}

async function sellEverywhere(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, processes, start } of backends) {
    const backend = await start();
    const forget = whenInterrupted(() => backend.stop());
    try {
      rows.push(await sell(name, backend.url, processes));
    } finally {
      await backend.stop();
      forget();
    }
  }
  return rows;
}

/** Opens the backend once beforehand: a wrong URL is one clear line, not one of each process. */
async function sellOn(url: string): Promise<Row> {
  const locks = await openLocks(url, { backendTimeoutMs: 3_000 });
  const { name, capabilities } = locks.adapter;
  await locks.close();
  return sell(name, url, capabilities.crossProcess ? 4 : 1);
}

async function sell(name: string, url: string, processes: number): Promise<Row> {
  output.printHeading(name, processes);
  const unlocked = await output.withProgress('without a lock', (served) => runSale(url, processes, false, served));
  output.printUnlocked(unlocked);
  const locked = await output.withProgress('with the lock', (served) => runSale(url, processes, true, served));
  output.printLocked(locked);
  return { name, processes, unlocked, locked };
}

function readOptions(): { url: string | undefined; all: boolean; help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string' },
        all: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.all && values.url !== undefined) throw new Error('--all and --url exclude each other.');
    return { url: values.url, all: values.all, help: values.help };
  } catch (error) {
    output.printFailure(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
}

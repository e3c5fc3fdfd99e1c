import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import pc from 'picocolors';
import { whenInterrupted } from './interrupt.ts';
import { buyers, items, type SaleResult } from './sale.ts';

const isTerminal = process.stdout.isTTY === true && process.env.TERM !== 'dumb';
// In a pipe nothing may appear but text, whatever the environment asks for.
const color = pc.createColors(isTerminal && pc.isColorSupported);
const number = (value: number) => value.toLocaleString('en-US');
const ms = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

export function print(text = ''): void {
  console.log(text);
}

export function printHeading(backend: string, processes: number): void {
  const where = processes === 1 ? 'one process' : `${processes} processes`;
  print(
    `\n${color.bold(`Flash sale on ${backend}`)}  ${number(items)} items, ${number(buyers)} buyers at once, ${where}\n`,
  );
}

/** Follows the buyers with a progress bar; plain output gets the result only. */
export async function withProgress(
  title: string,
  run: (served: () => void) => Promise<SaleResult>,
): Promise<SaleResult> {
  if (!isTerminal) return run(() => {});
  const bar = new SingleBar({
    format: `  ${title.padEnd(15)} {bar} {value}/{total} buyers`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  });
  const forget = whenInterrupted(() => bar.stop());
  bar.start(buyers, 0);
  try {
    return await run(() => bar.increment());
  } finally {
    bar.stop();
    forget();
  }
}

export function printUnlocked(result: SaleResult): void {
  const verdict =
    result.sold > items
      ? color.red(`✗ sold ${number(result.sold)} of ${items}: oversold by ${number(result.sold - items)}`)
      : `sold ${result.sold} of ${items}`;
  print(`  without a lock  ${verdict}  ${color.dim(`in ${result.seconds.toFixed(1)} s`)}`);
}

export function printLocked(result: SaleResult): void {
  const verdict =
    result.sold === items
      ? color.green(`✓ sold exactly ${items} of ${items}`)
      : color.red(`✗ sold ${number(result.sold)} of ${items}`);
  print(`  with the lock   ${verdict}  ${color.dim(`in ${result.seconds.toFixed(1)} s`)}`);
  print(
    `                  from asking to having the lock: p50 ${ms(result.p50Ms)}, p99 ${ms(result.p99Ms)}; ${number(result.waits)} waits`,
  );
  print(`                  fencing: ${fencing(result)}`);
}

function fencing(result: SaleResult): string {
  if (result.lateWrite === undefined) return 'this backend gives no tokens';
  const late =
    result.lateWrite === 'refused'
      ? 'a late write with the first token was refused'
      : color.red('a late write was accepted');
  return `the stock checked ${items} tokens and refused ${result.refused}; ${late}`;
}

/** One line per backend: the same sale everywhere. */
export function printTable(
  rows: readonly { name: string; processes: number; unlocked: SaleResult; locked: SaleResult }[],
): void {
  const table = new Table({
    head: ['backend', 'processes', 'sold without', 'sold with lock', 'lock p50', 'lock p99', 'waits', 'late write'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: isTerminal ? ['bold'] : [], border: isTerminal ? ['gray'] : [] },
  });
  for (const { name, processes, unlocked, locked } of rows) {
    table.push([
      name,
      processes,
      number(unlocked.sold),
      `${number(locked.sold)}${isRight(locked) ? '' : ' ✗'}`,
      ms(locked.p50Ms),
      ms(locked.p99Ms),
      number(locked.waits),
      locked.lateWrite ?? 'no tokens',
    ]);
  }
  print(`\n${table.toString()}`);
}

/** Whether the lock did what it is for. */
export function isRight(result: SaleResult): boolean {
  return result.sold === items && result.refused === 0 && result.lateWrite !== 'sold';
}

export function printNext(all: boolean): void {
  print(`\n${color.bold('Next')}`);
  print('  npm start -- --url redis://127.0.0.1:6379   the same sale on your server, from 4 processes');
  if (!all) print('  npm start -- --all                          starts every backend by itself and compares them');
  print('  README.md                                   use it in your own program\n');
}

/** The one line that an expected failure gets. */
export function printFailure(message: string): void {
  console.error(`${color.red('✗')} ${message}`);
}

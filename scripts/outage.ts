// What an outage costs: `pnpm outage`, `pnpm outage --minutes 2 etcd redlock`. The servers of each backend of ours are away for ten
// minutes, killed and again frozen, while locks are asked for 200 times a second. The heap must not grow, and the first lock must follow
// their return. The backends side by side, each in a process of its own; they come back one after another.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Outage } from './outage-of-one.ts';
import { ownBackends } from './own-backends.ts';
import { readArguments, wrongUsage } from './usage.ts';

/** Bytes that may come and go: code that is compiled late, and buffers that are reused. */
const noise = 2_000_000;
/** The first lock may come so long after the servers answer again: 100 ms, and the longest pause of the clients between two attempts. */
const soonMs = 100 + 1_000;

const names = ownBackends.flatMap(({ name }) => (name === 'memory' ? [] : [`${name}:killed`, `${name}:frozen`]));
const usage = `pnpm outage [--minutes 10] [--rate 200] [name[:killed|:frozen]] …, of ${names.join(', ')}`;
const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '200' } },
});
const unknown = positionals.filter((wanted) => !names.some((name) => isPart(wanted, name)));
if (unknown.length > 0) wrongUsage(usage, `There is no ${unknown.join(', ')}.`);
if (!(Number(values.minutes) > 0 && Number(values.rate) > 0))
  wrongUsage(usage, '--minutes and --rate must be above 0.');
const chosen = names.filter((name) => positionals.length === 0 || positionals.some((wanted) => isPart(wanted, name)));
const program = fileURLToPath(new URL('./outage-of-one.ts', import.meta.url));
let turns: Promise<unknown> = Promise.resolve();
process.exitCode = (await Promise.all(chosen.map(outage))).every(Boolean) ? 0 : 1;

/** One outage of one backend; whether it cost nothing that grows. */
async function outage(name: string): Promise<boolean> {
  const child = fork(program, [...name.split(':'), values.minutes, values.rate], {
    execArgv: ['--expose-gc', '--import', 'tsx'],
  });
  const ended = once(child, 'close');
  let seen: Outage | undefined;
  child.on('message', (message: Outage | 'over') => {
    if (message !== 'over') seen = message;
    else {
      turns = turns.then(async () => {
        child.send('recover');
        await ended;
      });
    }
  });
  const [code, signal] = await ended;
  const faults = seen === undefined ? [`ended by ${signal ?? code}`] : faultsOf(seen);
  console.log(`${faults.length === 0 ? '✓' : '✗'} ${name}: ${seen === undefined ? '' : textOf(seen)}`);
  for (const fault of faults) console.log(`    ${fault}`);
  return faults.length === 0;
}

function isPart(wanted: string, name: string): boolean {
  return wanted === name || wanted === name.split(':')[0];
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function textOf({ attempts, heaps, firstLockMs, waiterMs, allFreeMs }: Outage): string {
  const times = [firstLockMs, waiterMs, allFreeMs].map((ms) => Math.round(ms));
  return `${attempts} attempts, heap ${heaps.map(mb).join(' ')} MB; ms from their first answer to the first lock ${times[0]}, to one that was waited for ${times[1]}, until all keys were free ${times[2]}`;
}

function faultsOf({ heaps, firstLockMs }: Outage): string[] {
  const faults: string[] = [];
  // A third of the way in, all that waits for its time-out is there. On a busy machine more waits now and then, so the least counts.
  const third = Math.ceil(heaps.length / 3);
  const grown = Math.min(...heaps.slice(-third)) - Math.max(...heaps.slice(0, third + 1));
  if (grown > noise) faults.push(`the heap has grown by ${mb(grown)} MB`);
  if (firstLockMs > soonMs) faults.push(`the first lock came ${Math.round(firstLockMs)} ms after the servers answered`);
  return faults;
}

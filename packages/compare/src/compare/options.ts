import { parseArgs } from 'node:util';
import { type BackendId, backendIds, type PartId, partIds } from '../report/schema.ts';

export interface CompareOptions {
  readonly quick: boolean;
  readonly only: readonly PartId[];
  readonly backends: readonly BackendId[];
  /** Replaces each part's own number of rounds. */
  readonly rounds: number | undefined;
}

export const usage: string = `Compares locks on Redis, Redlock, ZooKeeper and etcd: the same work and the same faults, on real servers that it starts itself.

  pnpm compare                       everything, less than 30 minutes
  pnpm compare --quick               shorter and noisier, less than 3 minutes
  pnpm compare --only <parts>        of ${partIds.join(', ')}, with commas
  pnpm compare --backends <names>    of ${backendIds.join(', ')}, with commas
  pnpm compare --rounds <n>          how often each measurement is repeated
`;

/** Reads the command line; `undefined` when only help is asked for. @throws Error for people. */
export function readCompareOptions(args: readonly string[]): CompareOptions | undefined {
  const { values } = parseArgs({
    // pnpm passes the `--` of `pnpm compare -- --quick` on.
    args: args.filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      backends: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && (!Number.isSafeInteger(rounds) || rounds < 1)) {
    throw new Error(`--rounds is a whole number from 1, not ${values.rounds}.`);
  }
  return {
    quick: values.quick,
    only: chosen('--only', values.only, partIds),
    backends: chosen('--backends', values.backends, backendIds),
    rounds,
  };
}

/** In the order of `all`, whatever the order on the command line. */
function chosen<T extends string>(option: string, list: string | undefined, all: readonly T[]): T[] {
  if (list === undefined) return [...all];
  const names = list.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!all.includes(name as T))
      throw new Error(`${option} knows no ${name || 'empty name'}; it knows ${all.join(', ')}.`);
  }
  return all.filter((name) => names.includes(name));
}

import { parseArgs } from 'node:util';
import type { Effort } from './suite.ts';

export interface BenchOptions extends Effort {
  readonly only: readonly string[];
}

/** Reads the command line; `undefined` when only help is asked for. Throws an error for people. */
export function readOptions(args: readonly string[], suites: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    // pnpm passes the `--` of `pnpm bench -- --quick` on.
    args: args.filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only?.split(',') ?? [...suites];
  for (const name of only) {
    if (!suites.includes(name)) throw new Error(`There is no part ${name}; the parts are ${suites.join(', ')}.`);
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && (!Number.isSafeInteger(rounds) || rounds < 1)) {
    throw new Error(`--rounds is a whole number from 1, not ${values.rounds}.`);
  }
  return { only, rounds, quick: values.quick };
}

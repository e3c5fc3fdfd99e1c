import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BackendId, backendIds, type PartId, partIds } from './report/schema.ts';
import type { Effort } from './suite.ts';

export interface BenchOptions extends Effort {
  readonly only: readonly string[];
}

export interface CompareOptions extends Effort {
  readonly only: readonly PartId[];
  readonly backends: readonly BackendId[];
}

/** `bench [--quick] [--only <parts>] [--rounds <n>] [--before <folder>]` */
export function benchCommand(suites: readonly string[]): Command {
  return measurement('bench', suites)
    .description('Measures the locks on real servers against raw calls of the same client: 30 minutes, 8 with --quick.')
    .option(
      '--before <folder>',
      'a built worktree of an earlier commit, which uncontended, handover and watchdog measure beside this one',
      (folder) => resolve(process.env.INIT_CWD ?? process.cwd(), folder),
    );
}

/** `compare [--quick] [--only <parts>] [--backends <names>] [--rounds <n>]` */
export function compareCommand(): Command {
  return measurement('compare', partIds)
    .description(
      'Compares locks on Redis, Redlock, ZooKeeper, etcd and PostgreSQL: the same work and the same faults, on real servers that it starts itself. It takes 35 minutes, 4 with --quick.',
    )
    .addOption(listOption('--backends <names>', backendIds));
}

function measurement(name: string, parts: readonly string[]): Command {
  return new Command(name)
    .option('--quick', 'shorter and noisier', false)
    .addOption(listOption('--only <parts>', parts))
    .option('--rounds <n>', 'how often each measurement is repeated', wholeNumber);
}

function listOption(flags: string, all: readonly string[]): Option {
  return new Option(flags, `of ${all.join(', ')}, with commas`).argParser(someOf(all)).default([...all], 'all');
}

/** Reads a list with commas. The result is in the order of `all`. */
function someOf(all: readonly string[]): (list: string) => string[] {
  return (list) => {
    const names = list.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !all.includes(name));
    if (unknown !== undefined) {
      throw new InvalidArgumentError(`There is no "${unknown}", only ${all.join(', ')}.`);
    }
    return all.filter((name) => names.includes(name));
  };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

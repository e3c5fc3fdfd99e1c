import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { benchCommand, compareCommand } from '../src/options.ts';

function read(command: Command, ...args: string[]): object {
  const quiet = { writeOut() {}, writeErr() {} };
  return command.exitOverride().configureOutput(quiet).parse(args, { from: 'user' }).opts();
}

describe('the command line', () => {
  const parts = ['redis', 'etcd'];

  it('measures everything unless told otherwise', () => {
    expect(read(benchCommand(parts))).toEqual({ only: parts, quick: false });
    expect(read(benchCommand(parts), '--only', 'etcd', '--rounds', '3')).toEqual({
      only: ['etcd'],
      rounds: 3,
      quick: false,
    });
  });

  it('chooses parts and backends, in the order of the report', () => {
    const options = read(compareCommand(), '--quick', '--only', 'faults,scale', '--backends', 'etcd,memory');
    expect(options).toEqual({ quick: true, only: ['scale', 'faults'], backends: ['memory', 'etcd'] });
  });

  it.each([
    ['--only', 'speed', 'uncontended, contention'],
    ['--backends', 'mysql', 'memory, ioredis'],
    ['--rounds', '0', 'whole number'],
    ['--rounds', '1.5', 'whole number'],
    ['--fast', '', 'unknown option'],
  ])('%s %s is refused, and what there is is named', (option, value, words) => {
    expect(() => read(compareCommand(), option, value)).toThrow(words);
  });
});

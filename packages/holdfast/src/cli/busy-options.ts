import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from './durations.ts';
import { exitCodes } from './exit-codes.ts';

/** What to do about a busy lock. */
export interface BusyOptions {
  readonly wait?: number;
  readonly try?: true;
  readonly conflictExitCode: number;
}

/** Adds the options for a busy lock, with the letters of flock(1). */
export function withBusyOptions(command: Command): Command {
  const wait = new Option(
    '-w, --wait <duration>',
    'how long to wait for a busy lock, -w 10 for 10 s (default: no limit)',
  );
  return command
    .addOption(wait.argParser(readWait).conflicts('try'))
    .addOption(new Option('-n, --try', 'do not wait for a busy lock'))
    .addOption(
      new Option('-E, --conflict-exit-code <n>', 'the exit code when it is busy')
        .argParser(readExitCode)
        .default(exitCodes.busy),
    );
}

/** As with flock(1), a number without a unit means seconds. */
const readWait = (text: string): number => parseDuration(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text);

function readExitCode(text: string): number {
  const code = Number(text);
  if (!/^\d+$/.test(text) || code > 255) throw new InvalidArgumentError('It must be a number from 0 to 255.');
  return code;
}

import { InvalidArgumentError, Option } from 'commander';
import { readDuration } from '../options.ts';

/** An option `--name <duration>` whose value is in ms; written as in a lock URL: `500ms`, `30s`, `1h`. */
export function durationOption(name: string, description: string): Option {
  return new Option(`--${name} <duration>`, description).argParser(parseDuration);
}

/** The same for a duration above 0. */
export function positiveDurationOption(name: string, description: string): Option {
  return new Option(`--${name} <duration>`, description).argParser((text: string) => {
    const ms = parseDuration(text);
    if (ms === 0) throw new InvalidArgumentError('It must be above 0.');
    return ms;
  });
}

/** Node treats a timer of more than 2^31 ms as one of 1 ms. */
const longestMs = 24 * 86_400_000;

/** @throws InvalidArgumentError */
export function parseDuration(text: string): number {
  try {
    const ms = readDuration(text, 'It');
    if (ms <= longestMs) return ms;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  throw new InvalidArgumentError('It is at most 24d.');
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const;

/** A duration for people, without needless digits: `1.5 s`, `250 ms`, `2 h 5 m`. */
export function shownDuration(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? Number(ms.toPrecision(2)) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const at = units.findIndex(([, size]) => ms >= size);
  const [unit, size] = units[at]!;
  const [smaller, smallerSize] = units[at + 1] ?? (['s', 1_000] as const);
  const rest = Math.floor((ms % size) / smallerSize);
  return `${Math.floor(ms / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smaller}`}`;
}

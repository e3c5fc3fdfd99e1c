import { InvalidArgumentError, Option } from 'commander';
import { readDuration } from '../options.ts';

/** An option `--name <duration>` whose value is in ms; written as in a lock URL: `500ms`, `30s`, `1h`. */
export function durationOption(name: string, description: string, short: string = ''): Option {
  return new Option(`${short}--${name} <duration>`, description).argParser((text) => {
    try {
      return readDuration(text, 'It');
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  });
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const;

/** A duration for people, with no more digits than they need: `1.5 s`, `250 ms`, `2 h 5 m`. */
export function shownDuration(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? Number(ms.toPrecision(2)) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const at = units.findIndex(([, size]) => ms >= size);
  const [unit, size] = units[at]!;
  const [smaller, smallerSize] = units[at + 1] ?? (['s', 1_000] as const);
  const rest = Math.floor((ms % size) / smallerSize);
  return `${Math.floor(ms / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smaller}`}`;
}

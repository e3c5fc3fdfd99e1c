import colors from 'picocolors';
import { print } from './report.ts';

/** Says what is going on at the moment. */
export type Progress = (text: string) => void;

/** Shows how far a part is. */
export interface PartProgress {
  /** Says how many steps are to come. */
  expect(steps: number): void;
  /** One step begins. */
  step(text: string): void;
  /** Something that is not counted, such as a start. */
  readonly note: Progress;
}

/** The display of a run: one line that is written over and over in a terminal, and one line for each part that is over. */
export function progressDisplay(parts: number): {
  part<T>(title: string, run: (to: PartProgress) => Promise<T>): Promise<T>;
} {
  const begin = performance.now();
  const terminal = process.stderr.isTTY === true;
  let done = 0;

  return {
    async part(title, run) {
      done += 1;
      const number = `[${done}/${parts}]`;
      const partBegin = performance.now();
      let [expected, current] = [0, 0];
      const show = (text: string): void => {
        if (!terminal) return;
        const share = expected > 0 ? ` ${Math.floor((Math.max(0, current - 1) / expected) * 100)} %` : '';
        const line = `${number} ${title}${share} · ${clockTime(performance.now() - begin)} · ${text}`;
        process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
      };
      try {
        return await run({
          expect(steps) {
            expected = steps;
          },
          step(text) {
            current += 1;
            show(text);
          },
          note: show,
        });
      } finally {
        if (terminal) process.stderr.write('\r\x1b[K');
        print(colors.dim(`${number} ${title}: ${clockTime(performance.now() - partBegin)}`));
      }
    },
  };
}

/** `2:07` */
export function clockTime(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

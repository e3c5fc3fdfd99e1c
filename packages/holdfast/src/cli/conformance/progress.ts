import { note, writeText } from '../output.ts';

/** A progress line: redrawn at a terminal, elsewhere a new line now and then. On stderr, like everything that is not an answer. */
export interface Progress {
  show(line: string): void;
  /** A line that stays. */
  keep(line: string): void;
  /** Removes the progress line. */
  end(): void;
}

/** @param everyMs how often to print a line if nothing can be redrawn */
export function createProgress(everyMs: number): Progress {
  const { isTTY, columns = 80 } = process.stderr;
  const clear = isTTY ? '\r\x1b[K' : '';
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    show(line) {
      if (isTTY) return writeText(`${clear}${line.slice(0, columns - 1)}`, 'stderr');
      const now = performance.now();
      if (now - shownAt < everyMs) return;
      shownAt = now;
      note(line);
    },
    keep(line) {
      writeText(clear, 'stderr');
      note(line);
    },
    end: () => writeText(clear, 'stderr'),
  };
}

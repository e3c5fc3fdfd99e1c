import { note, writeText } from '../output.ts';

/** A line that tells how far something is: redrawn at a terminal; elsewhere a new line now and then. On stderr, as all that is no answer. */
export interface Progress {
  show(line: string): void;
  /** A line that stays. */
  keep(line: string): void;
  /** Takes the moving line away. */
  end(): void;
}

/** @param everyMs how often there is a line where nothing can be redrawn */
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

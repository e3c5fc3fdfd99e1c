const cleanups = new Set<() => void | Promise<void>>();
let interrupted = false;

/** Remembers what to do on Ctrl-C; the result forgets it again. */
export function whenInterrupted(cleanup: () => void | Promise<void>): () => void {
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Whether Ctrl-C was pressed: errors that follow from it are no news. */
export function isInterrupted(): boolean {
  return interrupted;
}

/** From now on Ctrl-C tidies up, the last first, and ends the process. It may come twice: from the terminal and from npm. */
export function handleInterrupts(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (interrupted) return;
      interrupted = true;
      setTimeout(() => process.exit(130), 5_000).unref();
      for (const cleanup of [...cleanups].reverse()) await cleanup();
      process.exit(130);
    });
  }
}

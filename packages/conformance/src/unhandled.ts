const notebooks = new Set<unknown[]>();

function note(error: unknown): void {
  for (const errors of notebooks) errors.push(error);
}

/** Notes what is rejected with nobody listening in this process, until `stop`. One listener serves them all, however many run side by side. */
export function noteUnhandled(): { readonly errors: readonly unknown[]; stop(): void } {
  const errors: unknown[] = [];
  if (notebooks.size === 0) process.on('unhandledRejection', note);
  notebooks.add(errors);
  return {
    errors,
    stop() {
      notebooks.delete(errors);
      if (notebooks.size === 0) process.off('unhandledRejection', note);
    },
  };
}

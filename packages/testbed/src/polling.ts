import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks until the answer is neither false nor undefined, and answers it; a rejection counts as no. Rejects with the
 * complaint after 30 s.
 */
export async function until<T>(complaint: string, ask: () => Promise<T | false | undefined>): Promise<T> {
  const giveUpAt = performance.now() + 30_000;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > giveUpAt) throw new Error(`${complaint}: waited 30 s`);
    await sleep(30);
  }
}

/** The first server that answers yes, all being asked side by side again and again; `ask` has a time-out of its own. */
export function firstThat<S>(
  complaint: string,
  servers: readonly S[],
  ask: (server: S) => Promise<boolean>,
): Promise<S> {
  const yes = async (server: S): Promise<S> => {
    if (await ask(server)) return server;
    throw new Error('no');
  };
  return until(complaint, () => Promise.any(servers.map(yes)));
}

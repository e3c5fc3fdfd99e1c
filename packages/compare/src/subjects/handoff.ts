import { connectIoredis } from './redis-clients.ts';
import type { Subject } from './subject.ts';

/**
 * The fastest hand-over that Redis itself offers: waiters block on a list, and the one served returns the token in the same
 * tick in which it waits again. One round trip per hand-over; no TTL, so a crash loses the token permanently.
 */
export function handoffSubject(port: number): Subject {
  const connections: ReturnType<typeof connectIoredis>[] = [];
  return {
    async waiter(key, index) {
      // Each needs a connection of its own, since it blocks.
      connections[index] ??= connectIoredis('ioredis 6', port);
      const connection = connections[index];
      await connection.ping();
      let passed: Promise<unknown> = Promise.resolve();
      return async () => {
        const [, token] = await Promise.all([passed, connection.blpop(key, 60)]);
        if (token === null) throw new Error('Nobody passed the handoff on for a minute.');
        return {
          async release() {
            passed = connection.lpush(key, 'token');
            passed.catch(() => {});
          },
        };
      };
    },
    async close() {
      for (const connection of connections) connection.disconnect();
    },
  };
}

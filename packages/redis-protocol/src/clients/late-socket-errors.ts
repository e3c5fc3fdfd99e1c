import type { IoredisClient } from './ioredis-client.ts';

type Socket = NonNullable<IoredisClient['stream']> & { on(event: 'error', listener: () => void): void };

/**
 * ioredis listens to the first error of a socket only. A TLS socket that has refused a certificate has a second one if the server answers
 * to that, which would end the process if nobody listened. The same goes for the copies with which a Cluster asks for its slots.
 */
export function ignoreLateSocketErrors(client: Pick<IoredisClient, 'stream' | 'duplicate'>): void {
  let stream = client.stream;
  Object.defineProperty(client, 'stream', {
    configurable: true,
    enumerable: true,
    get: () => stream,
    set(next: Socket | undefined) {
      stream = next;
      next?.on('error', () => {});
    },
  });
  const { duplicate } = client;
  Object.assign(client, {
    duplicate(override?: object) {
      const copy = duplicate.call(client, override);
      ignoreLateSocketErrors(copy);
      return copy;
    },
  });
}

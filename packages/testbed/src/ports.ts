import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

export const localhost = '127.0.0.1';

/**
 * Free TCP ports of 127.0.0.1, all different. They lie below the range from which systems take the ports of outgoing
 * connections, so that a server that is down for a moment does not lose its port to a client.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(12_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: localhost, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** Runs `start` with free ports, and again with new ones when another process took a port first. */
export async function withFreePorts<T>(count: number, start: (ports: number[]) => Promise<T>): Promise<T> {
  for (let triesLeft = 5; ; triesLeft--) {
    try {
      return await start(await freePorts(count));
    } catch (error) {
      if (triesLeft === 0 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start } from './support.ts';

const secret = 'Zq7xS3cret';
// Accepts, and never answers; the other port refuses.
const mute = createServer((socket) => void socket.on('error', () => {}).resume());
let mutePort = 0;
let refusingPort = 0;

beforeAll(async () => {
  const refusing = createServer();
  for (const server of [mute, refusing]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }
  mutePort = (mute.address() as AddressInfo).port;
  refusingPort = (refusing.address() as AddressInfo).port;
  await new Promise((resolve) => refusing.close(resolve));
});
afterAll(() => void mute.close());

const schemes: Readonly<Record<string, (at: string) => string>> = {
  'redis+ioredis': (at) => `:${secret}@${at}`,
  'redis+node-redis': (at) => `:${secret}@${at}`,
  'rediss+node-redis': (at) => `:${secret}@${at}`,
  'redis+cluster+ioredis': (at) => `:${secret}@${at},${at}`,
  'redis+cluster+node-redis': (at) => `:${secret}@${at},${at}`,
  'redis+sentinel+ioredis': (at) => `:${secret}@${at},${at}/mymaster`,
  'redis+sentinel+node-redis': (at) => `:${secret}@${at},${at}/mymaster`,
  'redlock+ioredis': (at) => `:${secret}@${at},${at},${at}`,
  'redlock+node-redis': (at) => `:${secret}@${at},${at},${at}`,
  zookeeper: (at) => `user:${secret}@${at}`,
  etcd: (at) => `user:${secret}@${at}`,
  'etcd ': (at) => `user:${secret}@${at}?tls=true`,
};

// A client library that goes on after the end kept the process for ever. To try takes 4 s; the rest is for a loaded machine.
const withinMs = 60_000;

/** What the command did, in a few words. */
async function outcomeOf(scheme: string, address: string): Promise<string> {
  const { child, ended } = start(['inspect', 'k', '--url', `${scheme}://${address}`]);
  const late = setTimeout(() => child.kill('SIGKILL'), withinMs);
  const { code, stdout, stderr } = await ended;
  clearTimeout(late);
  const line = new RegExp(`^holdfast: The lock backend ${scheme.replaceAll('+', '\\+')}://\\S+ .*\\.\n$`);
  return `${code} ${stdout}${line.test(stderr) && !stderr.includes(secret) ? 'one line' : stderr}`;
}

describe.each([
  ['refuses', () => refusingPort],
  ['accepts and never answers', () => mutePort],
])('a server that %s', (_, port) => {
  it('H27: is one line, without the password, 69, and the end, for every scheme', { timeout: 240_000 }, async () => {
    const entries = Object.entries(schemes);
    const ends: string[] = [];
    while (entries.length > 0) {
      const some = entries.splice(0, 4).map(async ([name, rest]) => {
        return `${name}: ${await outcomeOf(name.trim(), rest(`127.0.0.1:${port()}`))}`;
      });
      ends.push(...(await Promise.all(some)));
    }
    expect(ends).toEqual(Object.keys(schemes).map((name) => `${name}: 69 one line`));
  });
});

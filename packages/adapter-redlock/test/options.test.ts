import { ioredisBinding } from '@holdfast/adapter-ioredis';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { lockError } from '../../redis-protocol/test/support/helpers.ts';
import { redlockAdapter } from '../src/index.ts';

it('none, ten, no client and a bad option are refused by name', () => {
  const refusal = (part: string) => lockError('LOCK_INVALID_ARGUMENT', { message: expect.stringContaining(part) });
  const thrown = (make: () => unknown): unknown => {
    try {
      return make();
    } catch (error) {
      return error;
    }
  };
  const client = new Redis({ lazyConnect: true });
  const binding = ioredisBinding(client);
  expect(thrown(() => redlockAdapter([]))).toEqual(refusal('got 0'));
  expect(thrown(() => redlockAdapter(new Array(10).fill(binding)))).toEqual(refusal('got 10'));
  expect(thrown(() => redlockAdapter([{ ping: 'pong' } as never]))).toEqual(refusal('neither an ioredis nor'));
  // biome-ignore lint/suspicious/noSparseArray: the hole is the mistake
  expect(thrown(() => redlockAdapter([binding, , client] as never))).toEqual(refusal('node 2 is neither'));
  expect(thrown(() => redlockAdapter([binding, binding]))).toEqual(refusal('the same client'));
  expect(thrown(() => redlockAdapter(client as never))).toEqual(refusal('array of clients'));
  expect(thrown(() => redlockAdapter(['redis://a'] as never))).toEqual(refusal('neither an ioredis nor'));
  expect(thrown(() => redlockAdapter([binding], { nodeTimeoutms: 5 } as never))).toEqual(
    refusal('did you mean nodeTimeoutMs?'),
  );
  expect(thrown(() => redlockAdapter([binding], { waitReplicas: 1 } as never))).toEqual(refusal('no option'));
  for (const odd of [null, Promise.resolve({}), new URL('redis://a'), new Map([['prefix', 'x:']]), () => {}])
    expect(thrown(() => redlockAdapter([binding], odd as never))).toEqual(refusal('options must be a'));
  expect(thrown(() => redlockAdapter([binding], { nodeTimeoutMs: 0 }))).toEqual(refusal('nodeTimeoutMs'));
  expect(thrown(() => redlockAdapter([binding], { prefix: '{' }))).toEqual(refusal('prefix'));
  expect(thrown(() => redlockAdapter([binding], { fencing: 'no' as never }))).toEqual(refusal('fencing'));
  client.disconnect();
});

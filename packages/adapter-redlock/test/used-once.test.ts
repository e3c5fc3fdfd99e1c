import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { until } from '../../redis-protocol/test/support/helpers.ts';
import { leftOf, onlyFences, useNamesOnce } from '../../redis-protocol/test/support/used-once.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

it('H43, H75: 1,000 names used once leave the keys of their tokens, which expire, and nothing else', {
  timeout: 120_000,
}, async () => {
  const begin = await useNamesOnce(await rig.adapter({}, rig.servers), await rig.adapter({}, rig.servers));
  for (const server of rig.servers) {
    await until('no lock and no subscription is left', async () => {
      const left = { ...(await leftOf(begin, server)), fences: onlyFences.fences };
      return isDeepStrictEqual(left, onlyFences);
    });
    expect(Number(await server.command('DBSIZE'))).toBeLessThanOrEqual(onlyFences.fences);
  }
});

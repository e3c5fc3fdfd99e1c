import type { Etcd3 } from 'etcd3';
import { expect } from 'vitest';
import { ask, type KeepAlives, type Model } from './etcd-under-test.ts';

/** Leases that end: never before their time, and with all their keys at once. */
export async function playExpiry(
  client: Etcd3,
  model: Model,
  keepAlives: KeepAlives,
  firstLease: number,
): Promise<void> {
  const { leases } = model.state;
  // The model goes first: its leases then end no later than those of the real server, however slow the answers are.
  const ends: string[] = [];
  for (let i = 0; i < 4; i++) {
    const ID = String(firstLease + i);
    ends.push(ID);
    const request = { ID, TTL: i === 3 ? 2 : 1 };
    model.ask('LeaseGrant', request);
    await ask(client, 'LeaseGrant', request);
    const put = (name: string) => ({
      request_put: { key: Buffer.from(`locks/k2/${ID}${name}`), value: Buffer.from('1000'), lease: ID },
    });
    const reply = await ask(client, 'Txn', { success: [put('b'), put('a')] });
    if (performance.now() < leases.get(ID)!.expiresAt) expect(reply).toHaveProperty('answer');
  }
  const kept = leases.get(ends[1]!)!;
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { expiresAt } = kept;
  const here = model.keepAlive(kept.id);
  const there = await keepAlives.keep(kept.id);
  // On a slow machine the keep-alive may come too late.
  if (performance.now() < expiresAt) expect([there, here]).toEqual([1, 1]);
  else if (there === 0) kept.expiresAt = expiresAt;
  const left = new Set(ends);
  while (left.size > 0) {
    for (const ID of left) {
      const { answer } = (await ask(client, 'LeaseTimeToLive', { ID })) as { answer: { TTL: string } };
      if (answer.TTL !== '-1') continue;
      expect(leases.get(ID)!.expiresAt).toBeLessThan(performance.now());
      left.delete(ID);
      const [key, range_end] = ['a', 'c'].map((name) => Buffer.from(`locks/k2/${ID}${name}`));
      const found = (await ask(client, 'Range', { key, range_end })) as { answer: { count: string } };
      expect(found.answer.count).toBe('0');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

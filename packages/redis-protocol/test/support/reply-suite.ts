import { describe, expect, it } from 'vitest';
import { attempt, grant, newName, until } from './helpers.ts';
import type { ClientKit, Target } from './kit.ts';
import { startTopology } from './topologies.ts';

/** The lock protocol over clients whose options change the types of replies. */
export function replySuite(kits: readonly ClientKit[], kind: Target['kind']): void {
  describe.each(kits)(`$name, ${kind}`, (kit) => {
    it('every operation works whatever the types of replies that the client is set to (H114)', {
      timeout: 120_000,
    }, async () => {
      const { target, stop } = await startTopology(kind);
      try {
        for (const [name, clientOptions] of Object.entries(kit.replyOptions)) {
          const client = kit.connect({ ...target, clientOptions });
          try {
            for (const fencing of [true, false]) {
              const adapter = client.adapter({ fencing, prefix: `${newName()}:` });
              const [first, second] = [attempt(newName(), { tokens: 65 }), attempt(newName())];
              const label = `${name}, fencing ${fencing}`;
              const granted = await until(label, () => grant(adapter, first).catch(() => undefined));
              expect(granted, label).toMatchObject({ validForMs: first.ttlMs });
              expect(typeof granted.fencingToken, label).toBe(fencing ? 'bigint' : 'undefined');
              const again = await grant(adapter, { ...first, tokens: 1 });
              expect(again.fencingToken, label).toBe(granted.fencingToken);
              expect(await adapter.tryAcquire(attempt(first.key)), label).toMatchObject({ status: 'busy' });
              await grant(adapter, second);
              expect(await adapter.renew(first, 9_000), label).toEqual({ status: 'renewed', validForMs: 9_000 });
              expect(await adapter.renew(attempt(first.key), 9_000), label).toEqual({ status: 'lost' });
              const many = await adapter.renewMany?.([first, attempt(second.key), second], 9_000);
              if (many)
                expect(
                  many.map(({ status }) => status),
                  label,
                ).toEqual(['renewed', 'lost', 'renewed']);
              const held = await adapter.inspect?.(first.key);
              expect(held?.owner, label).toBe(first.owner);
              expect(held?.fencingToken, label).toBe(granted.fencingToken);
              const found: string[] = [];
              let cursor: string | undefined;
              do {
                const page = await adapter.keys!(cursor);
                found.push(...page.keys);
                cursor = page.next;
              } while (cursor !== undefined);
              expect(found.sort(), label).toEqual([first.key, second.key].sort());
              const waiting = new AbortController();
              await adapter.whenFree?.(first.key, waiting.signal);
              const hint = adapter.whenFree?.(first.key, waiting.signal);
              expect(await adapter.release(first), label).toBe('released');
              await hint;
              waiting.abort();
              expect(await adapter.release(first), label).toBe('not-held');
              expect(await adapter.inspect?.(first.key), label).toBeUndefined();
              expect(await adapter.forceRelease?.(second.key), label).toBe(true);
              expect(await adapter.forceRelease?.(second.key), label).toBe(false);
              await adapter.close?.();
            }
          } finally {
            await client.close();
          }
        }
      } finally {
        await stop();
      }
    });
  });
}

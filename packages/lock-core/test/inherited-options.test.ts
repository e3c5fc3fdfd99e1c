import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { type AcquireOptions, createLocks, type LocksOptions } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';

describe('C-108: options that an object inherits, or that are getters of its class', () => {
  class Options {
    get ttlMs(): number {
      return 5_000;
    }
    get mode(): 'shared' {
      return 'shared';
    }
  }

  it('count for a `Locks`, for one key, for several and for a leader', async () => {
    const clock = manualClock();
    const store = memoryStore();
    const inherited: LocksOptions = Object.create({ ttlMs: 5_000, clock });
    const locks = createLocks(memoryAdapter({ clock, store }), inherited);
    const other = createLocks(memoryAdapter({ clock, store }), { clock });
    expect((await locks.acquire('a')).remainingMs).toBeLessThan(5_000);
    const [one] = (await other.acquireAll(['b'], new Options())).locks;
    expect([one!.mode, one!.remainingMs < 5_000]).toEqual(['shared', true]);
    const controller = new AbortController();
    const inheritedSignal: AcquireOptions = Object.create({ signal: controller.signal });
    const led = other.lead('a', () => {}, inheritedSignal);
    controller.abort('enough');
    await expect(led).rejects.toBe('enough');
  });
});

import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Lock, type LockGroup, type Locks, type OpenLocksOptions, openLocks } from '../src/index.ts';

// Checked by the compiler: `tsc` reads these files too.
describe('the types of locks', () => {
  it('where fencing is required every lock has a token', async () => {
    await using locks = await openLocks('memory:', { require: { fencing: true, wakeup: 'push' } });
    expectTypeOf(locks).toEqualTypeOf<Locks<bigint>>();
    const lock = await locks.acquire('a');
    expectTypeOf(lock.fencingToken).toEqualTypeOf<bigint>();
    await lock.release();
    const token = await locks.using('a', (held) => held.fencingToken);
    expectTypeOf(token).toEqualTypeOf<bigint>();
    expectTypeOf(await locks.tryAcquire('a')).toEqualTypeOf<Lock<bigint> | undefined>();
    expectTypeOf(locks.acquireAll).returns.resolves.toEqualTypeOf<LockGroup<bigint>>();
    const tokens = await locks.usingAll(['b', 'c'], { ttlMs: 1_000 }, (group) =>
      group.locks.map((one) => one.fencingToken),
    );
    expectTypeOf(tokens).toEqualTypeOf<bigint[]>();
    expect(tokens).toHaveLength(2);
    await locks.lead('d', (term) => {
      expectTypeOf(term.fencingToken).toEqualTypeOf<bigint>();
    });
    // What takes any locks takes these too.
    const describeLock = (any: Locks, one: Lock): string => `${any.adapter.name} ${one.fencingToken}`;
    expect(describeLock(locks, lock)).toBe(`memory ${lock.fencingToken}`);
    expect(token > lock.fencingToken).toBe(true);
  });

  it('where it is not, a lock may have none', async () => {
    const options: OpenLocksOptions = { require: { fencing: true } };
    for (const locks of [
      await openLocks('memory:'),
      await openLocks('memory:', {}),
      await openLocks('memory:', { require: { fencing: false } }),
      await openLocks('memory:', { require: { wakeup: 'push' } }),
      // Nobody can tell from the type what this one requires.
      await openLocks('memory:', options),
    ]) {
      expectTypeOf(locks).toEqualTypeOf<Locks>();
      const lock = await locks.acquire('a');
      expectTypeOf(lock.fencingToken).toEqualTypeOf<bigint | undefined>();
      await locks.close();
    }
  });
});

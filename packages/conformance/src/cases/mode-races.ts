import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { type AdapterFault, adapterFaults } from '../faults/adapter-faults.ts';
import { assertRelease } from './assert-release.ts';
import { assertClaimBusy, assertClaimFree, exclusive, permits, shared } from './claim-holds.ts';

/** Whoever holds now, by what it holds. */
interface Inside {
  readers: number;
  writers: number;
  permits: number;
}

function check({ readers, writers, permits: held }: Inside, limit = Number.POSITIVE_INFINITY): void {
  assert.ok(writers <= 1 && (writers === 0 || readers === 0), `${writers} writers and ${readers} readers at once`);
  assert.ok(held <= limit, `${held} permits were held of ${limit}`);
}

/** A while, in which others may wrongly get in; of no round length. */
const work = (context: Context): Promise<void> => context.sleep(context.random.between(0, 4));

/** Readers, writers and permits at once, of adapters and through lock-core. */
export const modeRaceCases: readonly Case[] = [
  {
    id: 'LK-0211',
    level: 'MUST',
    heavy: true,
    rule: 'C-172',
    title: 'of readers and writers that ask at once, in great numbers, no writer holds beside anybody',
    hazards: [44, 98],
    requires: { shared: true },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const inside: Inside = { readers: 0, writers: 0, permits: 0 };
      await context.race(async (nth) => {
        let refused = 0;
        // Writers are mostly there in one round, and readers in the next one; those of the other kind count.
        const readers = nth % 2 > 0 ? 0.8 : 0.2;
        const turn = async (i: number): Promise<void> => {
          const adapter = clients[i % 3]!;
          const isReader = context.random.next() < readers;
          const attempt = context.attempt(key, { claim: isReader ? shared : exclusive });
          // What is wrong now and then shows among many refusals.
          for (let left = 8; (await adapter.tryAcquire(attempt)).status === 'busy'; left--) {
            if (isReader === readers < 0.5) refused++;
            if (left === 0) return;
          }
          inside[isReader ? 'readers' : 'writers']++;
          check(inside);
          if (context.random.next() < 0.4) await adapter.renew(attempt, context.timing.longTtlMs);
          if (context.random.next() < 0.2) await work(context);
          let downgraded = false;
          if (!isReader && context.random.next() < 0.3) {
            inside.writers--;
            inside.readers++;
            downgraded = true;
            assert.equal((await adapter.downgrade!(attempt, context.timing.longTtlMs)).status, 'renewed');
            check(inside);
          }
          inside[isReader || downgraded ? 'readers' : 'writers']--;
          await assertRelease(adapter.release(downgraded ? { ...attempt, claim: shared } : attempt));
        };
        await Promise.all(Array.from({ length: 9 }, (_, i) => turn(i)));
        return refused;
      });
      await assertClaimFree(context, clients[0]!, key, exclusive, 'all have left');
    },
  },
  {
    id: 'LK-0224',
    level: 'MUST',
    rule: 'C-179',
    title: 'tasks of several Locks use a semaphore: all are served, together no more than there are permits',
    hazards: [94, 95],
    requires: { permits: true },
    async run(context) {
      const pools = await Promise.all([0, 1, 2].map(async () => context.locks({ localRun: { count: 5 } })));
      const key = context.key();
      const limit = 5;
      const inside: Inside = { readers: 0, writers: 0, permits: 0 };
      let [served, most] = [0, 0];
      const task = async (i: number): Promise<void> => {
        const count = [1, 2, 1, 4, 1, 3][i % 6]!;
        await pools[i % 3]!.semaphore(key, limit).using({ permits: count }, async (lock) => {
          lock.assertHeld();
          inside.permits += count;
          most = Math.max(most, inside.permits);
          check(inside, limit);
          await work(context);
          inside.permits -= count;
          served++;
        });
      };
      const all = Promise.all(Array.from({ length: 36 }, (_, i) => task(i)));
      await context.soon('all tasks have had their permits', all, 3 * context.boundMs);
      assert.equal(served, 36);
      assert.ok(most > 1, 'Never was more than one of five permits held: tasks that fit together run together');
      const idle = await context.client();
      await assertClaimFree(context, idle, key, permits(limit, limit), 'all tasks have ended');
    },
  },
  {
    id: 'LK-0225',
    level: 'MUST',
    rule: 'C-172',
    title: 'tasks of several Locks read and write: all are served, readers together, and a writer alone',
    hazards: [91, 92],
    requires: { shared: true },
    async run(context) {
      const all = await Promise.all([0, 1, 2].map(async () => context.locks({ localRun: { count: 5 } })));
      const key = context.key();
      const inside: Inside = { readers: 0, writers: 0, permits: 0 };
      let [served, together] = [0, 0];
      const task = async (i: number): Promise<void> => {
        const mode = i % 4 === 1 ? 'exclusive' : 'shared';
        const kind = mode === 'shared' ? 'readers' : 'writers';
        await all[i % 3]!.using(key, { mode }, async (lock) => {
          lock.assertHeld();
          assert.equal(lock.mode, mode);
          inside[kind]++;
          together = Math.max(together, inside.readers);
          check(inside);
          await work(context);
          inside[kind]--;
          served++;
        });
      };
      const tasks = Promise.all(Array.from({ length: 36 }, (_, i) => task(i)));
      await context.soon('all readers and writers are served', tasks, 3 * context.boundMs);
      assert.equal(served, 36);
      assert.ok(together > 1, 'Never did two readers hold the key together');
      await assertClaimFree(context, await context.client(), key, exclusive, 'all have left');
    },
  },
  {
    id: 'LK-0228',
    level: 'MUST',
    long: true,
    rule: 'C-177',
    title:
      'requests and releases of readers that are lost, answered in vain or made twice are one hold, and no other’s',
    hazards: [12, 13, 14, 64],
    requires: { shared: true },
    run: (context) => underFaults(context, 'shared'),
  },
  {
    id: 'LK-0229',
    level: 'MUST',
    long: true,
    rule: 'C-177',
    title:
      'requests and releases of permits that are lost, answered in vain or made twice are one hold, and no other’s',
    hazards: [12, 13, 14, 64, 94, 100],
    requires: { permits: true },
    run: (context) => underFaults(context, 'permits'),
  },
];

const faults: readonly AdapterFault[] = ['request-lost', 'reply-lost', 'twice', { delayMs: 23 }];

/** Another one holds beside the one whose calls suffer: it must have what it has all the while, and after. */
async function underFaults(context: Context, mode: 'shared' | 'permits'): Promise<void> {
  const [two, claim, whole] = [
    await context.client(),
    mode === 'shared' ? shared : permits(2, 9),
    mode === 'shared' ? exclusive : permits(9, 9),
  ];
  const trial = async (asking: readonly AdapterFault[], after: readonly AdapterFault[]): Promise<void> => {
    const bad = adapterFaults(await context.client());
    const locks = await context.locks({ attemptTimeoutMs: Math.ceil(250 + 4 * context.latencyMs) }, bad.adapter);
    const key = context.key();
    const beside = await context.take(two, key, { claim });
    bad.inject('tryAcquire', ...asking);
    bad.inject('enqueue', ...asking);
    const acquiring =
      mode === 'shared' ? locks.acquire(key, { mode }) : locks.semaphore(key, 9).acquire({ permits: 2 });
    const lock = await context.soon('acquired, though an answer was lost', acquiring);
    assert.ok(asking.length === 0 || bad.injected > 0, 'No request of the acquire was made');
    bad.inject('renew', ...after);
    bad.inject('renewMany', ...after);
    await lock.renew();
    bad.inject('release', ...after);
    await assertRelease(lock.release());
    await context.sleep(context.timing.quietMs);
    await assertClaimBusy(context, two, key, whole, 'one of two holders is there still');
    const { status } = await two.renew(beside, context.timing.longTtlMs);
    assert.equal(status, 'renewed', 'Calls of one holder that were lost or made twice ended the hold of another');
    await assertRelease(two.release(beside));
    await assertClaimFree(context, two, key, whole, 'a request whose answer was lost must hold nothing');
  };
  const draw = () => [context.random.pick(faults), context.random.pick(faults)];
  await Promise.all([
    ...faults.flatMap((fault) => [trial([fault], []), trial([], [fault])]),
    ...Array.from({ length: 3 }, () => trial(draw(), draw())),
  ]);
}

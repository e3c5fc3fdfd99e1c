import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@holdfast/lock-core';
import { Etcd3, type ICompare, type IRequestOp } from 'etcd3';
import type { Subject } from './subject.ts';

const pollMs = 10;

/** Two transactions by hand under one lease that is kept alive for all locks; a waiter asks again every 10 ms. */
export async function rawEtcdSubject(port: number): Promise<Subject> {
  const client = new Etcd3({ hosts: `127.0.0.1:${port}` });
  const lease = client.lease(30);
  const leaseId = await lease.grant();
  let count = 0;

  async function txn(compare: ICompare, success: IRequestOp): Promise<boolean> {
    return (await client.kv.txn({ compare: [compare], success: [success] })).succeeded;
  }

  function take(key: Buffer, value: Buffer): Promise<boolean> {
    return txn(
      { key, target: 'Create', result: 'Equal', create_revision: 0 },
      { request_put: { key, value, lease: leaseId } },
    );
  }

  async function release(key: Buffer, value: Buffer): Promise<void> {
    const mine = await txn({ key, target: 'Value', result: 'Equal', value }, { request_delete_range: { key } });
    if (!mine) throw new Error(`The key ${key} was lost.`);
  }

  const newValue = (): Buffer => {
    count += 1;
    return Buffer.from(`${process.pid}-${count}`);
  };

  return {
    async cycle(name) {
      const [key, value] = [Buffer.from(`raw/${name}`), newValue()];
      if (!(await take(key, value))) throw new Error(`The key ${name} was not free.`);
      await release(key, value);
    },
    waiter: async (name) => async () => {
      const [key, value] = [Buffer.from(`raw/${name}`), newValue()];
      while (!(await take(key, value))) await sleep(pollMs);
      return { release: () => release(key, value) };
    },
    async close() {
      await lease.revoke();
      client.close();
    },
  };
}

const deadlineMs = 1_500;

/**
 * By hand, the smallest sequence of calls that gives what a lock promises: a transaction that puts a place in the queue, unless this
 * owner has one, and sees who is ahead; another that frees it. Each has a deadline. With fewer a frozen server would be waited
 * for without end, or somebody who waits would be passed.
 */
export async function rawEtcdQueueSubject(port: number): Promise<Subject> {
  const client = new Etcd3({ hosts: `127.0.0.1:${port}` });
  const lease = client.lease(30);
  const leaseId = await lease.grant();
  const value = Buffer.from('30000');
  const options = () => ({ deadline: systemClock.wallNow() + deadlineMs });

  return {
    async cycle(name) {
      const folder = `raw/${name}/`;
      const key = Buffer.from(folder + randomBytes(16).toString('hex'));
      const { succeeded, responses } = await client.kv.txn(
        {
          compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
          success: [
            { request_put: { key, value, lease: leaseId } },
            {
              request_range: {
                key: Buffer.from(folder),
                range_end: Buffer.from(`raw/${name}0`),
                sort_target: 'Create',
                sort_order: 'Descend',
                keys_only: true,
                limit: 2,
              },
            },
          ],
        },
        options(),
      );
      if (!succeeded || responses[1]!.response_range.kvs.length !== 1) throw new Error(`The key ${name} was not free.`);
      const answer = await client.kv.txn({ success: [{ request_delete_range: { key } }] }, options());
      if (answer.responses[0]!.response_delete_range.deleted !== '1') throw new Error(`The key ${key} was lost.`);
    },
    async close() {
      await lease.revoke();
      client.close();
    },
  };
}

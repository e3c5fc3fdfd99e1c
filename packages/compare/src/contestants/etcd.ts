import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3, type ICompare, type IRequestOp } from 'etcd3';
import type { Contestant } from './contestant.ts';

const pollMs = 10;

/** Two transactions by hand under one lease that is kept alive for all locks; a waiter asks again every 10 ms. */
export async function rawEtcdContestant(port: number): Promise<Contestant> {
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

  async function giveBack(key: Buffer, value: Buffer): Promise<void> {
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
      await giveBack(key, value);
    },
    waiter: async (name) => async () => {
      const [key, value] = [Buffer.from(`raw/${name}`), newValue()];
      while (!(await take(key, value))) await sleep(pollMs);
      return { giveBack: () => giveBack(key, value) };
    },
    async close() {
      await lease.revoke();
      client.close();
    },
  };
}

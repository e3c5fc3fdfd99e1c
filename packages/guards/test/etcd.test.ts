import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { Etcd3, type ITxnResponse, Range } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EtcdWriter, fencedEtcdWrite } from '../src/index.ts';
import { guardRules } from './guard-rules.ts';

let server: EtcdServer;
let clients: [Etcd3, Etcd3];
beforeAll(async () => {
  server = await startEtcd();
  const open = () => new Etcd3({ hosts: `${server.host}:${server.port}` });
  clients = [open(), open()];
});
afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await server?.stop();
});

/** Every line is a key of its own; the server's revisions tell their order. */
async function log(resource: string): Promise<string[]> {
  const { kvs } = await clients[0].getAll().prefix(`log/${resource}/`).sort('Mod', 'Ascend').exec();
  return kvs.map(({ value }) => value.toString());
}

describe('etcd', () =>
  guardRules(() => ({
    append: (index, resource, token, line) => {
      const client = clients[index];
      return fencedEtcdWrite(client, `fence/${resource}`, token, [client.put(`log/${resource}/${line}`).value(line)]);
    },
    check: (index, resource, token) => fencedEtcdWrite(clients[index], `fence/${resource}`, token),
    log,
  })));

/** A client whose transactions are committed by `around`. */
const withCommit = (
  client: Etcd3,
  around: (commit: () => Promise<ITxnResponse>) => Promise<ITxnResponse>,
): EtcdWriter => ({
  get: (key) => client.get(key),
  put: (key) => client.put(key),
  if(...condition) {
    const transaction = client.if(...condition);
    const commit = transaction.commit.bind(transaction);
    transaction.commit = () => around(commit);
    return transaction;
  },
});

describe('a fenced write to etcd', () => {
  it('makes several changes, and none of them when it is refused', async () => {
    const [client] = clients;
    const changes = (name: string) => [client.put('a').value(name), client.delete().key('draft')];
    await client.put('draft').value('x');
    expect(await fencedEtcdWrite(client, 'several', 4n, changes('ann'))).toBe(true);
    expect(await client.get('draft')).toBeNull();
    await client.put('draft').value('y');
    expect(await fencedEtcdWrite(client, 'several', 3n, changes('bob'))).toBe(false);
    expect([await client.get('a'), await client.get('draft')]).toEqual(['ann', 'y']);
  });

  it('works in a namespace', async () => {
    const shop = clients[0].namespace('shop/');
    expect(await fencedEtcdWrite(shop, 'fence', 4n, [shop.put('data').value('x')])).toBe(true);
    expect(await clients[0].get('shop/data')).toBe('x');
    expect(await clients[0].get('shop/fence')).toBe('0000000000000000004');
  });

  it.each([
    '',
    '5',
    'abc',
    '{"token":1}',
    '000000000000000000x',
    '9'.repeat(19),
    '9'.repeat(30),
    '5'.padStart(20, '0'),
  ])('rejects on a fence that holds %j: such a fence is neither lower nor higher', async (value) => {
    const [client] = clients;
    await client.put('corrupt').value(value);
    for (const token of [0n, 123n, 2n ** 63n - 1n]) {
      const writes = [client.put('guarded').value('x')];
      await expect(fencedEtcdWrite(client, 'corrupt', token, writes)).rejects.toThrow(/no fencing token/);
    }
    expect([await client.get('corrupt'), await client.get('guarded')]).toEqual([value, null]);
  });

  it('rejects, and writes nothing, when etcd refuses one of the operations', async () => {
    const [client] = clients;
    const twice = [client.put('twice').value('a'), client.put('twice').value('b')];
    await expect(fencedEtcdWrite(client, 'fence/twice', 4n, twice)).rejects.toThrow(/duplicate key/);
    expect([await client.get('fence/twice'), await client.get('twice')]).toEqual([null, null]);
  });

  it('refuses a deletion of everything from some key on, which etcd does not tell from one beside the fence', async () => {
    const [client] = clients;
    await fencedEtcdWrite(client, 'fence/all', 4n, []);
    for (const deletion of [client.delete().all(), client.delete().range(new Range('a', '\0'))]) {
      await expect(fencedEtcdWrite(client, 'fence/all', 4n, [deletion])).rejects.toThrow(/fence.*cannot be written/);
    }
    expect(await client.get('fence/all')).not.toBeNull();
    expect(await fencedEtcdWrite(client, 'fence/all', 4n, [client.delete().prefix('twice')])).toBe(true);
  });

  it('is never false for a write that took effect before its answer was lost and the client sent it again', async () => {
    const [client, other] = clients;
    expect(await fencedEtcdWrite(client, 'resent', 4n, [])).toBe(true);
    // As etcd3 does: the transaction arrives twice, and the second answer is told.
    const resending = withCommit(client, async (commit) => {
      await commit();
      await fencedEtcdWrite(other, 'resent', 6n, []);
      return commit();
    });
    const writes = [client.put('resent/data').value('written')];
    await expect(fencedEtcdWrite(resending, 'resent', 4n, writes)).rejects.toThrow(/may have happened/);
    expect(await client.get('resent/data')).toBe('written');
  });

  it('is false when a higher token comes before its write, although its own hold has written before', async () => {
    const [client, other] = clients;
    expect(await fencedEtcdWrite(client, 'between', 4n, [])).toBe(true);
    const late = withCommit(client, async (commit) => {
      await fencedEtcdWrite(other, 'between', 6n, []);
      return commit();
    });
    expect(await fencedEtcdWrite(late, 'between', 4n, [client.put('between/data').value('x')])).toBe(false);
    expect(await client.get('between/data')).toBeNull();
  });
});

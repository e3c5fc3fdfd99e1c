import { promisify } from 'node:util';
import { startZookeeper, type ZookeeperServer } from '@holdfast/testbed';
import zookeeper from 'node-zookeeper-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fencedZookeeperWrite, type ZookeeperTransaction } from '../src/index.ts';
import { guardRules } from './guard-rules.ts';

let server: ZookeeperServer;
let clients: [zookeeper.Client, zookeeper.Client];

async function open(): Promise<zookeeper.Client> {
  const client = zookeeper.createClient(`${server.host}:${server.port}`, { sessionTimeout: 20_000 });
  const connected = new Promise<void>((resolve) => client.once('connected', resolve));
  client.connect();
  await connected;
  return client;
}

const make = (path: string): Promise<unknown> => promisify(clients[0].mkdirp.bind(clients[0]))(path);
const put = (path: string, data: string): Promise<unknown> =>
  new Promise((resolve, reject) =>
    clients[0].setData(path, Buffer.from(data), (error, stat) => (error ? reject(error) : resolve(stat))),
  );
const get = (path: string): Promise<string> =>
  new Promise((resolve, reject) =>
    clients[0].getData(path, (error, data) => (error ? reject(error) : resolve(String(data)))),
  );

beforeAll(async () => {
  server = await startZookeeper();
  clients = [await open(), await open()];
  await make('/fences');
  for (const name of ['readers', 'rising', 'same', 'left', 'right', 'numbers', 'race', 'burst', 'none'])
    await make(`/log/${name}`);
});
afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await server?.stop();
});

/** Every line is a sequential node: the server numbers them. */
async function log(resource: string): Promise<string[]> {
  const names = await new Promise<string[]>((resolve, reject) =>
    clients[0].getChildren(`/log/${resource}`, (error, children) => (error ? reject(error) : resolve(children))),
  );
  return Promise.all(names.sort().map((name) => get(`/log/${resource}/${name}`)));
}

describe('ZooKeeper', () =>
  guardRules(() => ({
    append: (index, resource, token, line) =>
      fencedZookeeperWrite(clients[index], `/fences/${resource}`, token, (transaction) => {
        (transaction as zookeeper.Transaction).create(
          `/log/${resource}/line-`,
          Buffer.from(line),
          zookeeper.CreateMode.PERSISTENT_SEQUENTIAL,
        );
      }),
    check: (index, resource, token) => fencedZookeeperWrite(clients[index], `/fences/${resource}`, token),
    log,
  })));

describe('a fenced write to ZooKeeper', () => {
  it('makes several changes, and none of them when it is refused', async () => {
    await make('/data/one');
    await make('/data/two');
    const write = (token: bigint, name: string) =>
      fencedZookeeperWrite(clients[0], '/fences/several', token, (transaction) => {
        transaction.setData('/data/one', Buffer.from(name));
        transaction.setData('/data/two', Buffer.from(name));
      });
    expect(await write(4n, 'ann')).toBe(true);
    expect(await write(3n, 'bob')).toBe(false);
    expect([await get('/data/one'), await get('/data/two')]).toEqual(['ann', 'ann']);
  });

  it('gives the exception of an operation that does not apply, and writes nothing', async () => {
    const missing = fencedZookeeperWrite(clients[0], '/fences/exception', 4n, (transaction) => {
      transaction.setData('/not/there', Buffer.from('x'));
    });
    await expect(missing).rejects.toMatchObject({ name: 'NO_NODE' });
    await expect(get('/fences/exception')).rejects.toMatchObject({ name: 'NO_NODE' });
    await expect(fencedZookeeperWrite(clients[0], '/no/parent', 4n, () => {})).rejects.toMatchObject({
      name: 'NO_NODE',
    });
  });

  it('refuses a write of the fence itself', async () => {
    const fence = '/fences/itself';
    expect(await fencedZookeeperWrite(clients[0], fence, 4n, () => {})).toBe(true);
    const writes: ((transaction: ZookeeperTransaction) => void)[] = [
      (transaction) => transaction.remove(fence),
      (transaction) => transaction.setData(fence, Buffer.from('1')),
      (transaction) => (transaction.check('/fences') as ZookeeperTransaction).create(fence, Buffer.from('1')),
    ];
    for (const write of writes) {
      await expect(fencedZookeeperWrite(clients[0], fence, 4n, write)).rejects.toThrow(/fence.*cannot be written/);
    }
    expect(await get(fence)).toBe('4');
  });

  it('sees a writer that comes between its look and its write', async () => {
    expect(await fencedZookeeperWrite(clients[0], '/fences/between', 1n, () => {})).toBe(true);
    await make('/data/between');
    let rounds = 0;
    const late = fencedZookeeperWrite(clients[0], '/fences/between', 2n, (transaction) => {
      rounds++;
      transaction.setData('/data/between', Buffer.from('late'));
      const { commit } = transaction;
      // Between the look and the commit, the write of a later holder.
      transaction.commit = (callback) => {
        fencedZookeeperWrite(clients[1], '/fences/between', 3n, (other) => {
          other.setData('/data/between', Buffer.from('later'));
        }).then(() => commit.call(transaction, callback), callback);
      };
    });
    expect(await late).toBe(false);
    expect(rounds).toBe(1);
    expect(await get('/data/between')).toBe('later');
  });

  it('rejects when the reply to its transaction is lost, and does not write it again', async () => {
    await make('/data/lost');
    await fencedZookeeperWrite(clients[0], '/fences/lost', 1n, () => {});
    let rounds = 0;
    const lost = fencedZookeeperWrite(clients[0], '/fences/lost', 2n, (transaction) => {
      rounds++;
      (transaction as zookeeper.Transaction).create('/data/lost/once', Buffer.from('x'));
      const { commit } = transaction;
      const { CONNECTION_LOSS } = zookeeper.Exception;
      // The transaction takes effect, and the connection is lost before the reply.
      transaction.commit = (callback) =>
        commit.call(transaction, () =>
          callback(Object.assign(new Error('lost'), { code: CONNECTION_LOSS, name: 'CONNECTION_LOSS' })),
        );
    });
    await expect(lost).rejects.toMatchObject({ name: 'CONNECTION_LOSS' });
    expect(rounds).toBe(1);
    expect(await get('/data/lost/once')).toBe('x');
  });

  it('rejects on a node that no fenced write created: this client cannot check version 0', async () => {
    await make('/fences/foreign');
    const write = () => fencedZookeeperWrite(clients[0], '/fences/foreign', 1n, () => {});
    await expect(write()).rejects.toThrow(/no fencing token/);
    for (const data of ['hello', '', '-1', '007', '9223372036854775808']) {
      await put('/fences/foreign', data);
      await expect(write()).rejects.toThrow(/no fencing token/);
    }
    await make('/fences/untouched');
    await expect(fencedZookeeperWrite(clients[0], '/fences/untouched', 1n, () => {})).rejects.toThrow(
      /no fencing token/,
    );
  });
});

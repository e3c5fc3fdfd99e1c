import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { childrenOf } from '../src/children.ts';
import { type PostgresServer, startPostgres } from '../src/index.ts';
import { eventually, isRunning } from './processes.ts';

const count = async (server: PostgresServer): Promise<number> =>
  (await server.query<{ n: number }>('SELECT count(*)::int AS n FROM item'))[0]!.n;

it('startPostgres: freeze, thaw, kill, restart, stop', { timeout: 60_000 }, async () => {
  const server = await startPostgres({ settings: { synchronous_commit: 'off' } });
  expect(server.url).toBe(`postgres://postgres@127.0.0.1:${server.port}/postgres`);
  expect(await server.query('SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'off' }]);
  const [{ data_directory: data } = { data_directory: '' }] = await server.query('SHOW data_directory');
  await server.query('CREATE TABLE item (id int)');
  await server.query('INSERT INTO item VALUES ($1)', [1]);
  await expect(server.query('NONSENSE')).rejects.toThrow('syntax error');

  // A connection that is open already hears nothing either: its process is stopped like the one that takes new ones.
  const asleep = server.query('SELECT pg_sleep(1.5)');
  let answered = false;
  const slept = asleep.then(() => {
    answered = true;
  });
  await eventually('the statement runs', async () => {
    const busy = await server.query(`SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'`);
    return busy.length > 0;
  });
  server.freeze();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(answered).toBe(false);
  server.thaw();
  await slept;

  const family = childrenOf(server.pid);
  expect(family.length).toBeGreaterThan(0);
  await server.kill();
  expect([server.pid, ...family].filter(isRunning)).toEqual([]);
  await expect(count(server)).rejects.toThrow('ECONNREFUSED');
  await server.restart();
  expect(await count(server)).toBe(1);
  server.freeze();
  await server.restart({ empty: true });
  await expect(count(server)).rejects.toThrow('does not exist');
  server.freeze();
  const [pid, frozen] = [server.pid, childrenOf(server.pid)];
  await server.stop();
  expect([[pid, ...frozen].filter(isRunning), existsSync(data)]).toEqual([[], false]);
});

it('two servers at once have nothing in common', { timeout: 60_000 }, async () => {
  const [one, two] = await Promise.all([startPostgres(), startPostgres()]);
  await using _one = one;
  await using _two = two;
  await one.query('CREATE TABLE item (id int)');
  expect(await count(one)).toBe(0);
  await expect(count(two)).rejects.toThrow('does not exist');
});

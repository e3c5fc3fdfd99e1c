import { fencedRedisWrite, fencedSqlWrite, sqlFenceTable } from '@holdfast/guards';
import { Redis } from 'ioredis';
import { Client } from 'pg';

/** A balance in a database, with a plain write and one that a fencing token guards. */
export interface Account {
  read(): Promise<number>;
  /** Registers the token, then reads: from here on nothing of an earlier holder is written, so what was read stays true. */
  readFenced(token: bigint | undefined): Promise<number>;
  write(balance: number): Promise<void>;
  /** False when a later holder has written: then nothing is. */
  writeFenced(balance: number, token: bigint | undefined): Promise<boolean>;
  close(): Promise<void>;
}

/** Where the account is kept: by the scheme of its URL. */
export async function openAccount(url: string): Promise<Account> {
  const { read, claim, ...account } = await (url.startsWith('postgres:') ? openInPostgres(url) : openInRedis(url));
  return {
    ...account,
    read,
    async readFenced(token) {
      if (!(await claim(token))) throw new Error('A later holder has been here.');
      return read();
    },
  };
}

type Plain = Omit<Account, 'readFenced'> & { claim(token: bigint | undefined): Promise<boolean> };

async function openInPostgres(url: string): Promise<Plain> {
  const client = new Client(url);
  await client.connect();
  await client.query(sqlFenceTable);
  await client.query('CREATE TABLE IF NOT EXISTS account (balance int NOT NULL)');
  const write = (balance: number) =>
    client.query('WITH old AS (DELETE FROM account) INSERT INTO account VALUES ($1)', [balance]);
  return {
    read: async () => (await client.query<{ balance: number }>('SELECT balance FROM account')).rows[0]?.balance ?? 0,
    claim: (token) => fencedSqlWrite(client, 'account', token, async () => {}),
    write: async (balance) => void (await write(balance)),
    writeFenced: (balance, token) => fencedSqlWrite(client, 'account', token, () => write(balance)),
    close: () => client.end(),
  };
}

async function openInRedis(url: string): Promise<Plain> {
  const client = new Redis(url);
  return {
    read: async () => Number((await client.get('account')) ?? 0),
    claim: (token) => fencedRedisWrite(client, 'account:fence', token, []),
    write: async (balance) => void (await client.set('account', balance)),
    writeFenced: (balance, token) => fencedRedisWrite(client, 'account:fence', token, [['SET', 'account', balance]]),
    close: async () => client.disconnect(),
  };
}

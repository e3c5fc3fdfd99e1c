import type { Database } from '../servers/postgres/database.ts';
import type { Transaction } from '../servers/postgres/rows.ts';
import type { Server } from '../servers/postgres/server.ts';
import type { OpenTransaction, Stage } from './backend.ts';

/** A hold that a transaction has pinned, in hexadecimal as the tables have it. */
interface Pin {
  readonly transaction: Transaction;
  readonly key: string;
  readonly owner: string;
  readonly units: bigint;
}

/** What `assertIn` promises, looked at in the tables: until a transaction ends, nobody else is granted what it has pinned. */
export interface Pins {
  /** To be called after each commit. */
  look(): void;
  isPinned(key: string, owner: string): boolean;
  /** Opens a transaction of the application, over a connection of its own. */
  open(server: Server, client: PgClient): Promise<OpenTransaction>;
}

/** What is used of a client of `pg`. */
export interface PgClient {
  readonly processID: number;
  connect(): Promise<unknown>;
  query(text: string, values?: readonly unknown[]): Promise<unknown>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): void;
  readonly connection: { readonly stream: { destroy(): void } };
}

export function createPins(database: Database, { fail }: Stage): Pins {
  let pins: Pin[] = [];

  const isLive = ({ transaction }: Pin): boolean => transaction.state === 'open';

  /** Who holds a key in the tables now. */
  function holdersOf(key: string): { owner: string; units: bigint; all: bigint; isGood: boolean }[] {
    const now = database.terms.clock();
    const lock = database.committed('holdfast.lock').find((row) => row.key === key);
    if (lock === undefined) return [];
    const all = lock.units as bigint;
    const beside = database.committed('holdfast.holder').filter((row) => row.key === key);
    const alone = lock.owner === null ? [] : [lock];
    return [...alone, ...beside].map((row) => ({
      ...{ owner: row.owner as string, units: row.units as bigint, all },
      isGood: Number(row.expires_at) > now,
    }));
  }

  function lookAt(key: string): void {
    const ofKey = pins.filter((pin) => pin.key === key);
    const owners = new Set(ofKey.map(({ owner }) => owner));
    const others = holdersOf(key).filter(({ owner, isGood }) => isGood && !owners.has(owner));
    if (others.length === 0) return;
    const pinned = [...owners].map((owner) => ofKey.find((pin) => pin.owner === owner)!.units);
    const sum = [...pinned, ...others.map(({ units }) => units)].reduce((total, units) => total + units, 0n);
    if (sum <= others[0]!.all) return;
    const name = (owner: string): string => Buffer.from(owner, 'hex').toString();
    fail(
      'granted while pinned',
      `${others.map(({ owner }) => name(owner))} was granted ${name(key)} while a transaction has pinned the hold of ${[...owners].map(name)}`,
    );
  }

  return {
    look() {
      if (pins.length === 0) return;
      pins = pins.filter(isLive);
      for (const key of new Set(pins.map((pin) => pin.key))) lookAt(key);
    },
    isPinned: (key, owner) => pins.some((pin) => isLive(pin) && pin.key === key && pin.owner === owner),
    async open(server, client) {
      client.on('error', () => {});
      await client.connect();
      await client.query('BEGIN; SET synchronous_commit = on');
      // The one that is open now; another one would not be that of the pin.
      const transaction = server.sessions.find(({ pid }) => pid === client.processID)?.transaction;
      let asserted: readonly unknown[] = [];
      return {
        client: {
          query(text: string, values: readonly string[]) {
            if (values.length === 2) asserted = values;
            return client.query(text, values);
          },
        },
        pinned() {
          const [key, owner] = asserted as [string, string];
          if (transaction?.state !== 'open') return;
          const held = holdersOf(key).find((one) => one.owner === owner);
          if (held === undefined) return fail('granted while pinned', 'a hold that a transaction has pinned is gone');
          pins.push({ transaction, key, owner, units: held.units });
          lookAt(key);
        },
        async write(key, token) {
          const text = `INSERT INTO data VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET token = excluded.token`;
          await client.query(text, [key, String(token)]);
        },
        end: async (how) => void (await client.query(how)),
        isOpen: () => transaction?.state === 'open',
        close(isAbrupt) {
          if (isAbrupt) client.connection.stream.destroy();
          else client.end().catch(() => {});
        },
      };
    },
  };
}

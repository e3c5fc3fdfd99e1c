import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { importModule } from '../../packages.ts';
import { clockOffset, inTime } from './measure.ts';

/** What a session reveals. */
export interface SessionFacts {
  /** What the servers granted. */
  readonly timeoutMs: number;
  /** Servers with a vote; `undefined` if unknown: a standalone server, or one older than 3.5. */
  readonly voting: number | undefined;
  /** The leader's clock; `undefined` if no node could be created. */
  readonly clock: { readonly clockOffsetMs: number; readonly clockErrorMs: number } | undefined;
}

/** The part of `node-zookeeper-client` that is needed. */
interface Client {
  connect(): void;
  close(): void;
  once(event: 'connected' | 'authenticationFailed', listener: () => void): void;
  addAuthInfo(scheme: string, auth: Buffer): void;
  getSessionTimeout(): number;
  getData(path: string, done: (error: Error | null, data?: Buffer) => void): void;
  create(path: string, mode: number, done: (error: Error | null) => void): void;
  exists(path: string, done: (error: Error | null, stat?: { readonly ctime: Buffer } | null) => void): void;
  remove(path: string, done: (error: Error | null) => void): void;
}

/** The part of the adapter's package that is needed. */
interface Adapter {
  tolerateUnknownAnswers(client: Client, onRefused: (error: Error) => void): void;
}

interface Library {
  createClient(servers: string, options: { sessionTimeout: number; retries: number }): Client;
}

/** Opens a session as the adapter does, reads the facts, and closes it. Rejects if no session is established in time. */
export async function inspectSession(
  servers: string,
  sessionTimeoutMs: number,
  credentials: string | undefined,
  folders: readonly string[],
): Promise<SessionFacts> {
  const module = await importModule('node-zookeeper-client');
  const { createClient } = (module.default ?? module) as Library;
  const { tolerateUnknownAnswers } = (await importModule('@holdfast/adapter-zookeeper')) as unknown as Adapter;
  const client = createClient(servers, { sessionTimeout: sessionTimeoutMs, retries: 0 });
  try {
    return await inTime(async () => {
      let refusal: Error | undefined;
      await new Promise<void>((resolve, reject) => {
        client.once('connected', resolve);
        client.once('authenticationFailed', () => reject(new Error('the credentials were refused')));
        // For an answer that it does not know, the library throws where only the process can catch it.
        tolerateUnknownAnswers(client, (error) => {
          refusal = error;
          reject(error);
        });
        if (credentials !== undefined) client.addAuthInfo('digest', Buffer.from(credentials));
        client.connect();
      });
      const config = await new Promise<string>((resolve) => {
        client.getData('/zookeeper/config', (error, data) => resolve(error ? '' : String(data)));
      });
      if (refusal !== undefined) throw refusal;
      const members = config.split('\n').filter((line) => line.startsWith('server.') && !line.includes(':observer'));
      return {
        timeoutMs: client.getSessionTimeout(),
        voting: members.length === 0 ? undefined : members.length,
        clock: await readClock(client, folders),
      };
    });
  } finally {
    client.close();
    // The library closes the connection after the last answer of the server; otherwise there is nothing to wait for.
    await sleep(50);
  }
}

const ephemeral = 1;

/** A node records when it was created. This one is deleted at once, or with the session at the latest. */
async function readClock(client: Client, folders: readonly string[]): Promise<SessionFacts['clock']> {
  for (const folder of folders) {
    const path = `${folder}/holdfast-doctor-${randomBytes(8).toString('hex')}`;
    try {
      return await clockOffset(async () => {
        await answer<void>((done) => client.create(path, ephemeral, done));
        const stat = await answer<{ readonly ctime: Buffer } | null | undefined>((done) => client.exists(path, done));
        if (stat == null) throw new Error('it is gone');
        return Number(stat.ctime.readBigInt64BE());
      }, 1);
    } catch {
      // No such folder, or not permitted there.
    } finally {
      client.remove(path, () => {});
    }
  }
  return undefined;
}

function answer<T>(send: (done: (error: Error | null, result?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    send((error, result) => (error === null ? resolve(result as T) : reject(error)));
  });
}

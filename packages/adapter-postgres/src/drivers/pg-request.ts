import { Buffer } from 'node:buffer';
import type { Client, Connection, Submittable } from 'pg';
import type { Statement } from '../statements.ts';
import { answerTo } from './driver.ts';

/** The part of the connection of `pg` that its own queries use, and those of pg-cursor. */
type PgConnection = Pick<Connection, 'stream' | 'parse'> & {
  readonly parsedStatements: Readonly<Record<string, string>>;
};

/**
 * One statement in flight, as `pg` accepts it from packages like pg-cursor. It requests no description of columns, and creates neither a
 * result nor events: those cost the client and the server more than the lock.
 */
class PgRequest implements Submittable {
  readonly name: string;
  readonly text: string;
  readonly #values: readonly (string | null)[];
  readonly #changed: string | undefined;
  /** `pg` puts its time-out around it. */
  callback: (error: Error | undefined, answer?: unknown) => void;
  #answer: unknown;

  constructor(
    { name, text, changed }: Statement,
    isPrepared: boolean,
    values: readonly (string | null)[],
    callback: PgRequest['callback'],
  ) {
    this.name = isPrepared ? name : '';
    this.text = text;
    this.#changed = changed;
    this.#values = values;
    this.callback = callback;
  }

  submit(given: unknown): void {
    const connection = given as PgConnection;
    const { name, text } = this;
    const { stream } = connection;
    if (!stream.writable) return; // `pg` reports its end
    const run = running(name, this.#values);
    if (name !== '' && connection.parsedStatements[name] === text) {
      stream.write(run);
      return;
    }
    // Together in one packet.
    stream.cork?.();
    try {
      connection.parse({ name, text, types: [] } as never, true);
      stream.write(run);
    } finally {
      stream.uncork?.();
    }
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    [this.#answer] = fields;
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    if (this.#changed !== undefined && text.endsWith(' 1')) this.#answer = this.#changed;
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleReadyForQuery(): void {
    this.callback(undefined, this.#answer);
  }

  handleError(error: Error): void {
    this.callback(error);
  }
}

const executeAndSync = Buffer.from('E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04', 'latin1');

/**
 * Bind, Execute and Sync of a statement with texts as parameters, in one buffer: `pg` writes them one by one, which costs as much as all
 * the rest.
 */
function running(name: string, values: readonly (string | null)[]): Buffer {
  let length = 4 + 1 + Buffer.byteLength(name) + 1 + 2 + 2 + 2;
  for (const value of values) length += 4 + (value === null ? 0 : Buffer.byteLength(value));
  const message = Buffer.allocUnsafe(1 + length + executeAndSync.length);
  let at = message.writeUInt8(0x42); // B
  at = message.writeInt32BE(length, at);
  at = message.writeUInt8(0, at); // the unnamed portal
  at += message.write(name, at);
  at = message.writeUInt8(0, at);
  at = message.writeInt16BE(0, at); // all parameters are texts
  at = message.writeInt16BE(values.length, at);
  for (const value of values) {
    const start = at + 4;
    const written = value === null ? -1 : message.write(value, start);
    message.writeInt32BE(written, at);
    at = start + Math.max(0, written);
  }
  at = message.writeInt16BE(0, at); // and so are the results
  executeAndSync.copy(message, at);
  return message;
}

/** Whether a client is the JavaScript client of `pg` or compatible with it: that of pg-native has no connection of its own. */
const hasConnection = (client: object): boolean =>
  (client as { connection?: Partial<PgConnection> }).connection?.parsedStatements !== undefined;

/** Sends one statement over a client of `pg`, and returns its answer as text. */
export function sendOver(
  client: Client,
  statement: Statement,
  isPrepared: boolean,
  values: readonly (string | null)[],
): Promise<unknown> {
  if (!hasConnection(client)) {
    const { name, text } = statement;
    const query = { text, values: [...values], ...(isPrepared ? { name } : {}) };
    return client.query(query).then((result) => answerTo(statement, result));
  }
  return new Promise((resolve, reject) => {
    const settle: PgRequest['callback'] = (error, answer) => (error ? reject(error) : resolve(answer));
    client.query(new PgRequest(statement, isPrepared, values, settle));
  });
}

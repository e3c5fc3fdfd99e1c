import { createConnection, type Socket } from 'node:net';
import { Inbox, Reader } from '../../src/servers/postgres/messages.ts';

/** What the real server said to one text: the rows of its statements, or the code of an error. */
export type Said = { readonly rows: readonly (string | null)[][] } | { readonly error: string };

/** A session of the real server that sends texts without waiting for the answers before. */
export class PostgresWire {
  readonly #socket: Socket;
  readonly #inbox = new Inbox();
  readonly #waiting: ((said: Said) => void)[] = [];
  #rows: (string | null)[][] = [];
  #error: string | undefined;
  readonly heard: string[] = [];
  pid = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#inbox.begin();
    socket.on('data', (chunk) => {
      for (const { type, body } of this.#inbox.take(chunk)) this.#hear(type, new Reader(body));
    });
  }

  static async connect({ host, port }: { host: string; port: number }): Promise<PostgresWire> {
    const socket = createConnection({ host, port });
    const wire = new PostgresWire(socket);
    const ready = new Promise<Said>((resolve) => wire.#waiting.push(resolve));
    const body = Buffer.from('\0\x03\0\0user\0postgres\0database\0postgres\0\0', 'latin1');
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    socket.write(Buffer.concat([length, body]));
    await ready;
    return wire;
  }

  /** Sends a text of one or more statements. */
  ask(text: string): Promise<Said> {
    const body = Buffer.from(`${text}\0`);
    const head = Buffer.from('Q\0\0\0\0');
    head.writeInt32BE(body.length + 4, 1);
    this.#socket.write(Buffer.concat([head, body]));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(): void {
    this.#socket.end();
  }

  #hear(type: string, reader: Reader): void {
    if (type === 'K') this.pid = reader.int32();
    else if (type === 'D') this.#rows.push(readRow(reader));
    else if (type === 'E') this.#error = readCode(reader);
    else if (type === 'A') {
      reader.int32();
      this.heard.push(`${reader.text()} ${reader.text()}`);
    } else if (type === 'Z') {
      const said = this.#error === undefined ? { rows: this.#rows } : { error: this.#error };
      [this.#rows, this.#error] = [[], undefined];
      this.#waiting.shift()?.(said);
    }
  }
}

const readRow = (reader: Reader): (string | null)[] =>
  Array.from({ length: reader.int16() }, () => {
    const length = reader.int32();
    return length < 0 ? null : reader.bytes(length).toString('utf8');
  });

function readCode(reader: Reader): string {
  for (;;) {
    const field = reader.bytes(1).toString();
    if (field === '\0') return 'none';
    const value = reader.text();
    if (field === 'C') return value;
  }
}

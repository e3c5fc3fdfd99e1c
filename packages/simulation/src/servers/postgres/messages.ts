import type { Value } from './values.ts';
import { type SqlError, toText } from './values.ts';

/** A message of a client: its type and what is in it. */
export interface FrontMessage {
  readonly type: string;
  readonly body: Buffer;
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

/** The messages of the server. Every column is sent as text. */
export const back = {
  authenticated: (): Buffer => message('R', int32(0)),
  parameter: (name: string, value: string): Buffer => message('S', text(name), text(value)),
  key: (pid: number): Buffer => message('K', int32(pid), int32(1)),
  ready: (status: string): Buffer => message('Z', Buffer.from(status)),
  parsed: (): Buffer => message('1'),
  bound: (): Buffer => message('2'),
  closed: (): Buffer => message('3'),
  noData: (): Buffer => message('n'),
  complete: (tag: string): Buffer => message('C', text(tag)),
  notified: (pid: number, channel: string, payload: string): Buffer =>
    message('A', int32(pid), text(channel), text(payload)),
  columns: (names: readonly string[]): Buffer =>
    message(
      'T',
      int16(names.length),
      ...names.map((name) =>
        Buffer.concat([text(name), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]),
      ),
    ),
  row(values: readonly Value[]): Buffer {
    const fields = values.map((value) => {
      if (value === null) return int32(-1);
      const bytes = Buffer.from(toText(value));
      return Buffer.concat([int32(bytes.length), bytes]);
    });
    return message('D', int16(values.length), ...fields);
  },
  failed({ code, message: words, severity }: SqlError): Buffer {
    const field = (name: string, value: string): Buffer => Buffer.concat([Buffer.from(name), text(value)]);
    return message(
      'E',
      ...[field('S', severity), field('V', severity), field('C', code), field('M', words), Buffer.from('\0')],
    );
  },
};

/** Reads what clients send. */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const value = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return value;
  }
  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }
  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }
  bytes(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** What a client sends to begin. */
export type Startup =
  | { readonly kind: 'encryption' }
  | { readonly kind: 'cancel'; readonly pid: number }
  | { readonly kind: 'session'; readonly parameters: ReadonlyMap<string, string> };

export function readStartup(body: Buffer): Startup {
  const reader = new Reader(body);
  const code = reader.int32();
  if (code === 80_877_103 || code === 80_877_104) return { kind: 'encryption' };
  if (code === 80_877_102) return { kind: 'cancel', pid: reader.int32() };
  const parameters = new Map<string, string>();
  for (let name = reader.text(); name !== ''; name = reader.text()) parameters.set(name, reader.text());
  return { kind: 'session', parameters };
}

/** What is bound to a statement: texts, or null. */
export function readParameters(reader: Reader): (string | null)[] {
  for (let formats = reader.int16(); formats > 0; formats--) reader.int16();
  return Array.from({ length: reader.int16() }, () => {
    const length = reader.int32();
    return length < 0 ? null : reader.bytes(length).toString('utf8');
  });
}

/** Takes whole messages from the bytes that have arrived; the first one has no type. */
export class Inbox {
  #rest: Buffer = Buffer.alloc(0);
  #hasBegun = false;

  *take(chunk: Buffer): Generator<FrontMessage> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const start = this.#hasBegun ? 1 : 0;
      if (this.#rest.length < start + 4) return;
      const end = start + this.#rest.readInt32BE(start);
      if (this.#rest.length < end) return;
      const type = this.#hasBegun ? this.#rest.toString('latin1', 0, 1) : '';
      const body = this.#rest.subarray(start + 4, end);
      this.#rest = this.#rest.subarray(end);
      yield { type, body };
    }
  }

  /** From now on messages have a type. */
  begin(): void {
    this.#hasBegun = true;
  }
}

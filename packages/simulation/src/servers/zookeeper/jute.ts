/** Reads the fields of a message, one after the other. */
export interface Reader {
  readonly left: number;
  int(): number;
  long(): bigint;
  flag(): boolean;
  bytes(): Buffer | null;
  text(): string;
  list<T>(read: () => T): T[];
}

export function createReader(frame: Buffer): Reader {
  let at = 0;
  const take = (size: number): Buffer => {
    if (size < 0 || at + size > frame.length) throw new RangeError(`the message ends before byte ${at + size}`);
    at += size;
    return frame.subarray(at - size, at);
  };
  const reader: Reader = {
    get left() {
      return frame.length - at;
    },
    int: () => take(4).readInt32BE(),
    long: () => take(8).readBigInt64BE(),
    flag: () => take(1)[0] !== 0,
    bytes() {
      const size = reader.int();
      return size < 0 ? null : Buffer.from(take(size));
    },
    text: () => reader.bytes()?.toString('utf8') ?? '',
    list: (read) => Array.from({ length: Math.max(0, reader.int()) }, read),
  };
  return reader;
}

export const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

export const long = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

export const flag = (value: boolean): Buffer => Buffer.from([value ? 1 : 0]);
export const bytes = (value: Buffer | null): Buffer =>
  value === null ? int(-1) : Buffer.concat([int(value.length), value]);
export const text = (value: string): Buffer => bytes(Buffer.from(value, 'utf8'));
export const list = (items: readonly Buffer[]): Buffer => Buffer.concat([int(items.length), ...items]);

/** A message as it goes over the wire: with its length in front. */
export function frame(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int(body.length), body]);
}

/** Cuts the messages out of the bytes of a connection. */
export function createFrameParser(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const end = 4 + rest.readInt32BE(0);
      if (end > rest.length) break;
      const body = rest.subarray(4, end);
      rest = rest.subarray(end);
      onFrame(body);
    }
  };
}

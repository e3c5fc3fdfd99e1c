import type { Socket } from 'node:net';

/** One line of JSON for each message; a bigint travels as `{ "big": "1" }`. */
export const encode = (message: unknown): string =>
  `${JSON.stringify(message, (_name, value: unknown) => (typeof value === 'bigint' ? { big: String(value) } : value))}\n`;

const decode = (line: string): unknown =>
  JSON.parse(line, (_name, value: { big?: string } | null) =>
    typeof value?.big === 'string' ? BigInt(value.big) : value,
  );

/** Calls `take` with each message that a socket receives. */
export function receive(socket: Socket, take: (message: unknown) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(decode(line));
  });
}

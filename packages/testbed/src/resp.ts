import { createConnection } from 'node:net';

/**
 * Sends one command to a Redis server over a socket of its own and answers the reply (RESP2): strings, numbers, null,
 * arrays. Rejects with the server's message for an error reply, and after `timeoutMs` (default 30 s) without one.
 */
export function redisCommand(
  target: { host: string; port: number; password?: string },
  args: readonly (string | number)[],
  timeoutMs: number = 30_000,
): Promise<unknown> {
  const commands = target.password === undefined ? [args] : [['AUTH', target.password], args];
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: target.host, port: target.port });
    let received = Buffer.alloc(0);
    const finish = (settle: () => void): void => {
      socket.destroy();
      settle();
    };
    socket.setTimeout(timeoutMs, () =>
      finish(() => reject(new Error(`redis-server did not answer ${args[0]} within ${timeoutMs} ms`))),
    );
    socket.once('error', (error) => finish(() => reject(error)));
    socket.once('close', () => reject(new Error(`redis-server closed the connection before it answered ${args[0]}`)));
    socket.once('connect', () => socket.write(commands.map(encode).join('')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      let at = 0;
      let reply: Parsed | undefined;
      for (let i = 0; i < commands.length; i++) {
        reply = parse(received, at);
        if (!reply) return;
        if (reply.value instanceof Error) break;
        at = reply.end;
      }
      const { value } = reply!;
      finish(() => (value instanceof Error ? reject(value) : resolve(value)));
    });
  });
}

function encode(args: readonly (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`;
}

interface Parsed {
  value: unknown;
  end: number;
}

/** The reply that begins at `at`, or undefined while it is incomplete. */
function parse(data: Buffer, at: number): Parsed | undefined {
  const lineEnd = data.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const line = data.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(data[at]!)) {
    case '+':
      return { value: line, end };
    case '-':
      return { value: new Error(line), end };
    case ':':
      return { value: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { value: null, end };
      if (data.length < end + length + 2) return undefined;
      return { value: data.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*': {
      if (Number(line) < 0) return { value: null, end };
      const items: unknown[] = [];
      let next = end;
      for (let i = 0; i < Number(line); i++) {
        const item = parse(data, next);
        if (!item) return undefined;
        items.push(item.value);
        next = item.end;
      }
      return { value: items, end: next };
    }
    default:
      return { value: new Error(`redis-server sent something that is not RESP2: ${line}`), end };
  }
}

/** A status such as `OK`. */
export class Status {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An error, with its first word. */
export class Refusal {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** What comes without having been asked for: messages of channels, and the answers to subscribing. */
export class Push {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** A map of RESP3, an array of RESP2. */
export class Pairs {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

export type Reply = string | number | null | Status | Refusal | Push | Pairs | readonly Reply[];

export const ok: Reply = new Status('OK');

/** A reply as bytes, one character each. */
export function encodeReply(reply: Reply, protocol: 2 | 3): string {
  if (reply === null) return protocol === 3 ? '_\r\n' : '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`;
  if (reply instanceof Status) return `+${reply.text}\r\n`;
  if (reply instanceof Refusal) return `-${reply.message}\r\n`;
  if (reply instanceof Push) return encodeItems(protocol === 3 ? '>' : '*', reply.items.length, reply.items, protocol);
  if (reply instanceof Pairs) {
    return protocol === 3
      ? encodeItems('%', reply.items.length / 2, reply.items, protocol)
      : encodeItems('*', reply.items.length, reply.items, protocol);
  }
  return encodeItems('*', reply.length, reply, protocol);
}

const encodeItems = (mark: string, count: number, items: readonly Reply[], protocol: 2 | 3): string =>
  `${mark}${count}\r\n${items.map((item) => encodeReply(item, protocol)).join('')}`;

/** Cuts the commands out of the bytes of a connection. */
export function createCommandParser(onCommand: (args: string[]) => void): (chunk: Buffer) => void {
  let text = '';
  return (chunk) => {
    text += chunk.toString('latin1');
    for (let parsed = parseCommand(text); parsed !== undefined; parsed = parseCommand(text)) {
      text = text.slice(parsed.length);
      onCommand(parsed.args);
    }
  };
}

function parseCommand(text: string): { args: string[]; length: number } | undefined {
  let at = text.indexOf('\r\n');
  if (at < 0) return undefined;
  const count = Number(text.slice(1, at));
  const args: string[] = [];
  at += 2;
  for (let i = 0; i < count; i++) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const length = Number(text.slice(at + 1, end));
    if (text.length < end + 2 + length + 2) return undefined;
    args.push(text.slice(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return { args, length: at };
}

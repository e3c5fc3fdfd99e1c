import type { Connection } from '../engine/network.ts';
import type { ClientProcess, Stage } from './backend.ts';

/** Serves calls: gives the answer, and may tell words before it. */
export type Handler = (
  name: string,
  args: readonly unknown[],
  tell: (word: string) => void,
  /** Has something done when the connection ends. */
  atEnd: (run: () => void) => void,
  client: number,
) => Promise<unknown>;

interface Request {
  readonly name: string;
  readonly args: readonly unknown[];
  onWord(word: string): void;
  onAnswer(answer: unknown): void;
  onError(error: unknown): void;
}

type Peer = Connection & { request?: (request: Request) => void };

/** Serves the calls of one connection. */
export function listen(connection: Connection, handle: Handler): void {
  (connection as Peer).request = ({ name, args, onWord, onAnswer, onError }) => {
    if (name === 'ping') return connection.send('back', () => onAnswer(undefined));
    const tell = (word: string): void => connection.send('back', () => onWord(word));
    handle(name, args, tell, (run) => connection.onEnd('server', run), connection.client).then(
      (answer) => connection.send('back', () => onAnswer(answer)),
      (error) => connection.send('back', () => onError(error)),
    );
  };
}

/** Calls a server over a few connections, which are opened again when they break. */
export interface Caller {
  call(name: string, args: readonly unknown[]): Promise<unknown>;
  /**
   * A call that lasts: ended by a signal, and, once something was heard of it, by a server that is silent for two seconds.
   * Until then it is as silent as the server.
   */
  stream(
    name: string,
    args: readonly unknown[],
    id: string,
    signal: AbortSignal,
    told: (word: string) => void,
  ): Promise<unknown>;
}

const silenceMs = 2_000;

export function createCaller({ network, world }: Stage, client: ClientProcess, lanes: number): Caller {
  const random = world.random.fork(`calls of ${client.index}`);
  const open: (Lane | undefined)[] = [];

  interface Lane {
    readonly connection: Connection;
    readonly pending: Set<(error: Error) => void>;
  }

  function lane(index = random.int(0, lanes - 1)): Lane {
    const known = open[index];
    if (known?.connection.isOpen) return known;
    const pending = new Set<(error: Error) => void>();
    const connection = network.connect(
      client.index,
      client.machine,
      0,
      () => {},
      () => {},
    );
    const made: Lane = { connection, pending };
    open[index] = made;
    connection.onEnd('client', () => {
      if (open[index] === made) open[index] = undefined;
      for (const reject of pending) reject(new Error('the connection to the server broke'));
    });
    return made;
  }

  function send(at: Lane, name: string, args: readonly unknown[], onWord: (word: string) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { connection, pending } = at;
      const settle = (finish: () => void): void => {
        pending.delete(fail);
        finish();
      };
      const fail = (error: Error): void => settle(() => reject(error));
      pending.add(fail);
      const request: Request = {
        name,
        args,
        onWord,
        onAnswer: (answer) => settle(() => resolve(answer)),
        onError: (error) => settle(() => reject(error)),
      };
      connection.send('there', () => (connection as Peer).request?.(request));
    });
  }

  // As a client does: it is connected before its first call.
  for (let i = 0; i < lanes; i++) lane(i);

  return {
    call: (name, args) => send(lane(), name, args, () => {}),
    async stream(name, args, id, signal, told) {
      signal.throwIfAborted();
      const at = lane();
      let heardAt = Number.POSITIVE_INFINITY;
      const onWord = (word: string): void => {
        heardAt = client.machine.now();
        told(word);
      };
      const heard = (): void => {
        heardAt = client.machine.now();
      };
      const beat = client.machine.setInterval(() => {
        if (client.machine.now() - heardAt > silenceMs) return at.connection.reset();
        if (heardAt !== Number.POSITIVE_INFINITY) send(at, 'ping', [], () => {}).then(heard, () => {});
      }, silenceMs / 3);
      const onAbort = (): void => {
        if (at.connection.isOpen) send(at, 'abort', [id], () => {}).catch(() => {});
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const aborted = new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      );
      aborted.catch(() => {});
      try {
        const answer = send(at, name, args, onWord);
        answer.catch(() => {});
        // A grant that is on its way while the caller gives up is withdrawn by the abort or released by the caller.
        return await (name === 'enqueue' ? answer : Promise.race([answer, aborted]));
      } finally {
        client.machine.clear(beat);
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}

/** The end of a pipe between two processes: a child process as its parent sees it, or `process` in the child. */
export interface Port {
  send?(message: object, done?: (error: Error | null) => void): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** Calls to the other process, by name. Rejects with what the function there threw, as far as it is text. */
export type CallOther = (name: string, ...args: unknown[]) => Promise<unknown>;

/** The functions that the other process may call. */
export type Offers = Readonly<Record<string, (...args: never[]) => unknown>>;

interface Message {
  readonly id: number;
  readonly call?: string;
  readonly args?: unknown[];
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code?: unknown };
}

interface Open {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Calls in both directions over the channel of a forked process; both ends use it. `fail` rejects all that is open, and what follows. */
export function openChannel(port: Port, offers: Offers): { call: CallOther; fail(error: Error): void } {
  const open = new Map<number, Open>();
  let lastId = 0;
  let dead: Error | undefined;

  const fail = (error: Error): void => {
    dead ??= error;
    for (const { reject } of open.values()) reject(dead);
    open.clear();
  };
  const send = (message: Message): void => {
    port.send?.(message, (error) => {
      if (error) fail(error);
    });
  };
  const answer = async (id: number, name: string, args: unknown[]): Promise<void> => {
    try {
      send({ id, value: await offers[name]!(...(args as never[])) });
    } catch (thrown) {
      const { message, code } = thrown as Error & { code?: unknown };
      send({ id, error: { message: message ?? String(thrown), code } });
    }
  };

  port.on('message', (received) => {
    const { id, call, args = [], value, error } = received as Message;
    if (call !== undefined) return void answer(id, call, args);
    const waiting = open.get(id);
    open.delete(id);
    if (error) waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
    else waiting?.resolve(value);
  });

  return {
    call(name, ...args) {
      return new Promise((resolve, reject) => {
        if (dead) return reject(dead);
        open.set(++lastId, { resolve, reject });
        send({ id: lastId, call: name, args });
      });
    },
    fail,
  };
}

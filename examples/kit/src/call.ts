/** What a worker process asks its parent. */
export interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** What the parent answers. */
export interface Reply {
  readonly id: number;
  readonly value: unknown;
}

const waiting = new Map<number, (value: unknown) => void>();
let lastId = 0;

/** In a worker process: asks the parent, which answers when it likes. The worker ends with its parent. */
export function call<T>(name: string, ...args: unknown[]): Promise<T> {
  if (lastId === 0) listen();
  const id = ++lastId;
  return new Promise<T>((resolve) => {
    waiting.set(id, resolve as (value: unknown) => void);
    process.send?.({ id, name, args } satisfies Call);
  });
}

function listen(): void {
  process.on('disconnect', () => process.exit());
  process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group: the parent decides
  process.on('message', ({ id, value }: Reply) => {
    waiting.get(id)?.(value);
    waiting.delete(id);
  });
}

import { setMaxListeners } from 'node:events';
import type { ClientEvents } from '../client-readiness.ts';
import type { CommandOptions } from './node-redis-client.ts';

// Version 6 makes a time-out signal for every command, which costs more than sending it and ends nothing that was sent;
// the deadlines are lock-core's.
const noTimeout: CommandOptions = { timeout: undefined };
// One mapping for all: node-redis makes one for each reply where there is none.
const noMapping: CommandOptions = { timeout: undefined, typeMapping: {} };

/**
 * The options of a command for which replies come in the types of the protocol, whatever mapping the application chose (H114).
 * To name the mapping where there is none would double what a command costs.
 */
function plainOptions(client: object): CommandOptions {
  type Mapped = { readonly typeMapping?: unknown } | undefined;
  const { options, _commandOptions } = client as { options?: { commandOptions?: Mapped }; _commandOptions?: Mapped };
  const maps = (options?.commandOptions ?? _commandOptions)?.typeMapping ?? _commandOptions?.typeMapping;
  return maps === undefined ? noTimeout : noMapping;
}

const known = new WeakMap<object, () => CommandOptions>();

/**
 * The options for each command of a node-redis client.
 *
 * Version 5 writes what was called in the turn in which its connection is lost to the socket that is gone, and waits for answers
 * to it on the next connection: from then on each command gets the answer of another one. So there such commands are taken
 * back at `lostEvent`, which comes before it writes them. What is taken back rejects, which is "unknown".
 */
export function commandOptions(
  client: ClientEvents,
  isVersion5: () => boolean,
  lostEvent: string,
): () => CommandOptions {
  let options = known.get(client);
  if (options === undefined) {
    const plain = plainOptions(client);
    options = isVersion5() ? withdrawnAt(client, lostEvent, plain) : () => plain;
    // One listener for a client, however many adapters it has.
    known.set(client, options);
  }
  return options;
}

function withdrawnAt(client: ClientEvents, lostEvent: string, plain: CommandOptions): () => CommandOptions {
  let lost: AbortController;
  let options: CommandOptions;
  const begin = (): void => {
    lost = new AbortController();
    // Every command that is not written yet listens.
    setMaxListeners(0, lost.signal);
    options = { ...plain, abortSignal: lost.signal };
  };
  begin();
  client.on(lostEvent, () => {
    const before = lost;
    begin();
    before.abort();
  });
  return () => options;
}

/** From version 6 on, options are merged into those that a client has by default; version 5 keeps the object itself. */
export function keepsOptions(client: { withCommandOptions?(options: object): object }): boolean {
  const options = {};
  const copy: { readonly _commandOptions?: object } | undefined = client.withCommandOptions?.(options);
  return copy?._commandOptions === options;
}

// One listener per client, however many adapters are made over it.
const counters = new WeakMap<object, { count: number }>();

/** Counts the events that end or begin a connection of a client. */
export function dropsOf(client: ClientEvents, ...events: readonly string[]): { readonly count: number } {
  const known = counters.get(client);
  if (known !== undefined) return known;
  const counter = { count: 0 };
  counters.set(client, counter);
  for (const event of events) {
    client.on(event, () => {
      counter.count += 1;
    });
  }
  return counter;
}

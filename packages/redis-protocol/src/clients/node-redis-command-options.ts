import { setMaxListeners } from 'node:events';
import type { ClientEvents } from '../client-readiness.ts';
import type { CommandOptions } from './node-redis-client.ts';

// Version 6 makes a time-out signal for every command, which costs more than sending it and ends nothing that was sent;
// the deadlines are lock-core's.
const noTimeout: CommandOptions = { timeout: undefined };
const always = (): CommandOptions => noTimeout;

const known = new WeakMap<object, () => CommandOptions>();

/**
 * The options for each command of a node-redis client.
 *
 * Version 5 writes what was called in the turn in which its connection is lost to the socket that is gone, and waits for answers
 * to it on the next connection: from then on each command gets the answer of another one. So there such commands are taken
 * back at `lostEvent`, which comes before it writes them. What is taken back rejects, which is "unknown".
 */
export function commandOptions(client: ClientEvents, isVersion5: boolean, lostEvent: string): () => CommandOptions {
  let options = known.get(client);
  if (options === undefined) {
    options = isVersion5 ? withdrawnAt(client, lostEvent) : always;
    // One listener for a client, however many adapters it has.
    known.set(client, options);
  }
  return options;
}

function withdrawnAt(client: ClientEvents, lostEvent: string): () => CommandOptions {
  let lost: AbortController;
  let options: CommandOptions;
  const begin = (): void => {
    lost = new AbortController();
    // Every command that is not written yet listens.
    setMaxListeners(0, lost.signal);
    options = { ...noTimeout, abortSignal: lost.signal };
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

import type { Connection } from './connection.ts';
import { isAnswer } from './failures.ts';
import type { Requests } from './requests.ts';

/** Called once; with an error when the server refuses the watch. */
type Listener = (refusal?: unknown) => void;

interface Watch {
  readonly listeners: Set<Listener>;
  /** Where it stands; `undefined` until the server has answered. */
  connection: Connection | undefined;
}

export interface Watches {
  /**
   * Calls the listener once, when the node has changed or gone or the watch was lost with its connection; at once when there is
   * no such node, or with the server's refusal.
   */
  listen(path: string, listener: Listener): void;
  unlisten(path: string, listener: Listener): void;
  /** Whether we would know by now if that node had gone. */
  isSet(path: string): boolean;
}

/**
 * One watch per node, whoever listens. The library cannot take a watch back, so those who give up leave theirs to the next; as
 * each is set on a node that exists and fires when that goes, there are never more than contenders (H43, H73).
 */
export function createWatches(requests: Requests): Watches {
  const watches = new Map<string, Watch>();
  let newest: Connection | undefined;

  function fire(path: string, watch: Watch, refusal?: unknown): void {
    if (watches.get(path) === watch) watches.delete(path);
    for (const listener of watch.listeners) listener(refusal);
    watch.listeners.clear();
  }

  /** A watch ends with its connection; the event may have gone by meanwhile. */
  function placed(path: string, watch: Watch, connection: Connection): void {
    // It may have ended right behind the answer, and those below been told before.
    if (!connection.isOpen) return fire(path, watch);
    watch.connection = connection;
    if (connection === newest) return;
    newest = connection;
    void connection.ended.then(() => {
      for (const [path, each] of watches) {
        if (each.connection === connection) fire(path, each);
      }
    });
  }

  function set(path: string): Watch {
    const watch: Watch = { listeners: new Set(), connection: undefined };
    const onEvent = (): void => fire(path, watch);
    requests.watch(path, onEvent).then(
      (connection) => {
        if (connection === undefined) onEvent();
        else placed(path, watch, connection);
      },
      // To ask again at once would only be refused again.
      (error: unknown) => fire(path, watch, isAnswer(error) ? error : undefined),
    );
    watches.set(path, watch);
    return watch;
  }

  return {
    listen(path, listener) {
      const watch = watches.get(path) ?? set(path);
      watch.listeners.add(listener);
    },
    unlisten(path, listener) {
      watches.get(path)?.listeners.delete(listener);
    },
    isSet: (path) => watches.get(path)?.connection?.isOpen ?? false,
  };
}

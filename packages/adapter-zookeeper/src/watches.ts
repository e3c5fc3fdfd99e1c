import { clearInterval, setInterval } from 'node:timers';
import type { Connection } from './connection.ts';
import { codeOf, isAnswer } from './failures.ts';
import type { Requests } from './requests.ts';
import { codes } from './server-answers.ts';

/** Called once; with an error when the server refuses the watch. */
type Listener = (refusal?: unknown) => void;

interface Watch {
  readonly listeners: Set<Listener>;
  /** Where it stands; `undefined` until the server has answered. */
  connection: Connection | undefined;
}

/** The nodes that are watched through their parent. */
interface Unreadable {
  readonly watches: Map<string, Watch>;
  /** Where the watch on the parent stands; `undefined` until the server has answered. */
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

// A client that may no longer read a node is told nothing when that goes, and permissions change at any time.
const lookMs = 5_000;

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/**
 * One watch per node, shared by its listeners. The library cannot remove a watch, so a departing listener leaves it to the next
 * one. Each is set on an existing node and fires when that is removed, so there are never more watches than contenders (H43, H73).
 */
export function createWatches(requests: Requests): Watches {
  const watches = new Map<string, Watch>();
  const unreadable = new Map<string, Unreadable>();
  let newest: Connection | undefined;
  let looking: NodeJS.Timeout | undefined;

  /** Checks every watched node, which needs no right to read it, and notifies the listeners of those that are gone. */
  function lookAtAll(): void {
    let isWanted = false;
    for (const [path, watch] of watches) {
      if (watch.listeners.size === 0) continue;
      isWanted = true;
      // Without a connection the watch is lost, or is being set, which checks the node as well.
      if (watch.connection?.isOpen !== true) continue;
      requests.stat(path).then(
        (stat) => {
          if (stat === undefined) fire(path, watch);
        },
        () => {},
      );
    }
    if (isWanted) return;
    clearInterval(looking);
    looking = undefined;
  }

  function fire(path: string, watch: Watch, refusal?: unknown): void {
    if (watches.get(path) === watch) watches.delete(path);
    const parent = parentOf(path);
    const siblings = unreadable.get(parent);
    if (siblings?.watches.delete(path) && siblings.watches.size === 0) unreadable.delete(parent);
    for (const listener of watch.listeners) listener(refusal);
    watch.listeners.clear();
  }

  /** A watch ends with its connection; the event may have gone by meanwhile. */
  function placed(path: string, watch: Watch, connection: Connection): void {
    // The connection may have ended right after the answer, when the watches below were already notified.
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

  /**
   * A server withholds the events of a node from a client that may not read it, so the parent is watched, once for all of these
   * nodes: a change costs one check, however many there are.
   */
  function watchParent(path: string, watch: Watch): void {
    const parent = parentOf(path);
    const known = unreadable.get(parent);
    const siblings = known ?? { watches: new Map(), connection: undefined };
    siblings.watches.set(path, watch);
    unreadable.set(parent, siblings);
    if (known === undefined) look(parent, siblings);
    else if (known.connection !== undefined) placed(path, watch, known.connection);
  }

  function look(parent: string, siblings: Unreadable): void {
    const onEvent = (): void => {
      siblings.connection = undefined;
      for (const [path, watch] of siblings.watches) {
        watch.connection = undefined;
        if (watch.listeners.size === 0) fire(path, watch);
      }
      if (siblings.watches.size > 0) look(parent, siblings);
    };
    requests.watchChildren(parent, onEvent).then(
      ({ names, connection }) => {
        const there = new Set(names);
        siblings.connection = connection;
        for (const [path, watch] of siblings.watches) {
          if (there.has(path.slice(parent.length + 1))) placed(path, watch, connection);
          else fire(path, watch);
        }
      },
      (error: unknown) => {
        for (const [path, watch] of siblings.watches) fire(path, watch, isAnswer(error) ? error : undefined);
      },
    );
  }

  function set(path: string): Watch {
    const watch: Watch = { listeners: new Set(), connection: undefined };
    const onEvent = (): void => fire(path, watch);
    requests.watch(path, onEvent).then(
      (connection) => {
        if (connection === undefined) onEvent();
        else placed(path, watch, connection);
      },
      // Asking again at once would only be refused again.
      (error: unknown) => {
        if (codeOf(error) === codes.noAuth) watchParent(path, watch);
        else fire(path, watch, isAnswer(error) ? error : undefined);
      },
    );
    watches.set(path, watch);
    return watch;
  }

  return {
    listen(path, listener) {
      const watch = watches.get(path) ?? set(path);
      watch.listeners.add(listener);
      looking ??= setInterval(lookAtAll, lookMs).unref();
    },
    unlisten(path, listener) {
      watches.get(path)?.listeners.delete(listener);
    },
    isSet: (path) => watches.get(path)?.connection?.isOpen ?? false,
  };
}

import { performance } from 'node:perf_hooks';

type Listener = ((event: Event) => void) | { handleEvent(event: Event): void };

// More connections than one client of a cluster opens at the same time.
const most = 128;

/**
 * Ends the sockets that node-redis is still connecting. When node-redis is closed, it forgets those sockets, and they would connect
 * and stay open (H43). Node registers two listeners for each attempt to connect and never removes one of them, so an AbortSignal
 * would keep a listener of every attempt; this signal drops the oldest. The client itself closes connected sockets.
 */
export interface ConnectingSignal {
  /**
   * For the option `socket.signal` of node-redis, which passes it on to Node's sockets. It never says that it is aborted: Node would
   * end a new socket before it connects, and connecting brings that back to life. It ends such a socket just after that.
   */
  readonly signal: AbortSignal;
  readonly aborted: boolean;
  /** When the newest socket was made, on the monotonic clock. */
  readonly newestAt: number;
  abort(): void;
  /** Destroys the sockets that there are, connected or not, so that the client makes another one. */
  destroySockets(): void;
}

const known = new WeakMap<object, ConnectingSignal>();

/** The signal that a client of node-redis was made with, if it is one of these: of a client of ours. */
export function connectingSignalOf(client: { readonly options?: unknown }): ConnectingSignal | undefined {
  const { socket } = (client.options ?? {}) as { socket?: { signal?: object } };
  return socket?.signal && known.get(socket.signal);
}

/** Creates a signal for one client; it is aborted with that for all clients that are `closing` together. */
export function connectingSignal(closing?: ConnectingSignal): ConnectingSignal {
  const listeners = new Set<Listener>();
  let aborted = false;
  let newestAt = 0;
  const tell = (listener: Listener): void => {
    const event = new Event('abort');
    if (typeof listener === 'function') listener.call(signal as unknown as AbortSignal, event);
    else listener.handleEvent(event);
  };
  const destroySockets = (): void => {
    const told = [...listeners];
    listeners.clear();
    for (const listener of told) tell(listener);
  };
  const abort = (): void => {
    if (aborted) return;
    aborted = true;
    destroySockets();
  };
  const signal = {
    aborted: false,
    get reason() {
      return new Error(connecting.aborted ? 'The client was closed.' : 'The server has answered nothing for seconds.');
    },
    addEventListener(_type: string, listener: Listener) {
      newestAt = performance.now();
      if (connecting.aborted) return void Promise.resolve().then(() => tell(listener));
      closing?.signal.addEventListener('abort', abort);
      // The newest are last.
      listeners.delete(listener);
      listeners.add(listener);
      if (listeners.size > most) for (const oldest of listeners) return void listeners.delete(oldest);
    },
    removeEventListener(_type: string, listener: Listener) {
      listeners.delete(listener);
    },
    throwIfAborted() {
      if (connecting.aborted) throw this.reason;
    },
  };
  const connecting = {
    signal: signal as unknown as AbortSignal,
    get aborted() {
      return aborted || closing?.aborted === true;
    },
    get newestAt() {
      return newestAt;
    },
    abort,
    destroySockets,
  };
  known.set(signal, connecting);
  return connecting;
}

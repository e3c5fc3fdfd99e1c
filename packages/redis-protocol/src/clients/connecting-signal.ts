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
  abort(): void;
}

/** Creates a signal for a client, or for all clients that are closed together. */
export function connectingSignal(): ConnectingSignal {
  const listeners = new Set<Listener>();
  let aborted = false;
  const tell = (listener: Listener): void => {
    const event = new Event('abort');
    if (typeof listener === 'function') listener.call(signal as unknown as AbortSignal, event);
    else listener.handleEvent(event);
  };
  const signal = {
    aborted: false,
    get reason() {
      return aborted ? new Error('The client was closed.') : undefined;
    },
    addEventListener(_type: string, listener: Listener) {
      if (aborted) return void Promise.resolve().then(() => tell(listener));
      listeners.add(listener);
      if (listeners.size > most) for (const oldest of listeners) return void listeners.delete(oldest);
    },
    removeEventListener(_type: string, listener: Listener) {
      listeners.delete(listener);
    },
    throwIfAborted() {
      if (aborted) throw this.reason;
    },
  };
  return {
    signal: signal as unknown as AbortSignal,
    get aborted() {
      return aborted;
    },
    abort() {
      if (aborted) return;
      aborted = true;
      for (const listener of listeners) tell(listener);
      listeners.clear();
    },
  };
}

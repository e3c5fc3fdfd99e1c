import { notModelled, type WatchCreate, type WatchResponse } from './messages.ts';
import { type Change, eventOf, type Store } from './store.ts';

/** One watch stream of a client. */
export interface WatchStream {
  /** How many watches are on it. */
  readonly size: number;
  create(request: WatchCreate): void;
  cancel(id: string): void;
  close(): void;
}

/** The watches of one member. */
export interface Watches {
  readonly streams: ReadonlySet<WatchStream>;
  open(send: (response: WatchResponse) => void, refusal: (request: WatchCreate) => string | undefined): WatchStream;
  /** The member has applied the changes of one revision. */
  apply(changes: readonly Change[]): void;
}

interface Watch {
  readonly id: string;
  readonly request: WatchCreate;
  /** The first revision that it has not reported. */
  next: number;
  /** Whether it has caught up, and reports changes as they are made. */
  synced: boolean;
  /** Compaction has ended it; etcd still knows its ID. */
  isCompacted: boolean;
}

/** `applied` is the revision that the member has got to; it catches up with a watch of the past a little later. */
export function createWatches(store: Store, applied: () => number, later: (run: () => void) => void): Watches {
  const streams = new Set<Stream>();

  class Stream implements WatchStream {
    readonly #watches = new Map<string, Watch>();
    readonly #send: (response: WatchResponse) => void;
    readonly #refusal: (request: WatchCreate) => string | undefined;
    #nextId = 0;

    constructor(send: (response: WatchResponse) => void, refusal: (request: WatchCreate) => string | undefined) {
      this.#send = send;
      this.#refusal = refusal;
    }

    get size(): number {
      return this.#watches.size;
    }

    create(request: WatchCreate): void {
      if (request.prev_kv || request.fragment || request.progress_notify) notModelled('this option of a watch');
      const refused = this.#refusal(request);
      if (refused !== undefined) {
        this.#answer(request.watch_id, { created: true, canceled: true, cancel_reason: refused });
        return;
      }
      const id = this.#idFor(request);
      if (id === undefined) {
        const cancel_reason = 'mvcc: duplicate watch ID provided on the WatchStream';
        this.#answer('-1', { created: true, canceled: true, cancel_reason });
        return;
      }
      const start = Number(request.start_revision);
      const synced = start === 0 || start > applied();
      const watch = { id, request, next: start === 0 ? applied() + 1 : start, synced, isCompacted: false };
      this.#watches.set(id, watch);
      this.#answer(id, { created: true });
      if (!synced) later(() => this.#catchUp(watch));
    }

    cancel(id: string): void {
      if (this.#watches.delete(id)) this.#answer(id, { canceled: true });
    }

    close(): void {
      this.#watches.clear();
      streams.delete(this);
    }

    apply(changes: readonly Change[]): void {
      for (const watch of this.#watches.values()) if (watch.synced) this.#report(watch, changes);
    }

    #idFor({ watch_id, key, range_end }: WatchCreate): string | undefined {
      if (range_end.length > 0 && range_end[0] !== 0 && Buffer.compare(key, range_end) >= 0)
        notModelled('an empty range');
      if (watch_id !== '0') return this.#watches.has(watch_id) ? undefined : watch_id;
      while (this.#watches.has(String(this.#nextId))) this.#nextId += 1;
      this.#nextId += 1;
      return String(this.#nextId - 1);
    }

    #catchUp(watch: Watch): void {
      if (this.#watches.get(watch.id) !== watch) return;
      if (watch.next < store.compacted) {
        watch.isCompacted = true;
        this.#answer(watch.id, { canceled: true, compact_revision: String(store.compacted) });
        return;
      }
      watch.synced = true;
      this.#report(
        watch,
        store.kept.filter(({ revision }) => revision <= applied()),
      );
    }

    #report(watch: Watch, changes: readonly Change[]): void {
      const { request, id, next } = watch;
      const from = request.key.toString('latin1');
      const to = request.range_end.length === 0 ? `${from}\0` : request.range_end.toString('latin1');
      const events = changes
        .filter(({ revision, key }) => revision >= next && key >= from && (to === '\0' || key < to))
        .map(eventOf)
        .filter(({ type }) => !request.filters.includes(type === 'Put' ? 'Noput' : 'Nodelete'));
      watch.next = Math.max(next, (changes.at(-1)?.revision ?? 0) + 1);
      if (events.length > 0) this.#answer(id, { events });
    }

    #answer(watch_id: string, answer: Partial<WatchResponse>): void {
      this.#send({
        header: { revision: String(applied()) },
        watch_id,
        created: false,
        canceled: false,
        compact_revision: '0',
        cancel_reason: '',
        events: [],
        ...answer,
      });
    }
  }

  return {
    streams,
    open(send, refusal) {
      const stream = new Stream(send, refusal);
      streams.add(stream);
      return stream;
    },
    apply(changes) {
      for (const stream of streams) stream.apply(changes);
    },
  };
}

import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { FilterType, type IDuplexStream, type IWatchRequest, type IWatchResponse } from 'etcd3';
import { createCallTimeout } from './call-timeout.ts';
import type { Endpoints, Member } from './endpoints.ts';
import { isStaleTokenReason } from './errors.ts';

/** Reports changes, over one watch stream for all waiters of an adapter. */
export interface Watches {
  /**
   * Calls back once: when the key is deleted after `revision`, or written if `writes` count too, or when that can no longer be known
   * because history was compacted (H83) or the stream is dead. The caller then looks again. The returned function ends the watch early.
   */
  change(key: Buffer, revision: string, writes: boolean, onChange: () => void): () => void;
  close(): void;
}

interface Watch {
  readonly key: Buffer;
  readonly seenRevision: string;
  readonly writes: boolean;
  readonly onChange: () => void;
  id: string | undefined;
  /** Whether it begins at the revision that was seen, and therefore also reports that one: see `#created`. */
  isEarly: boolean;
}

type Stream = IDuplexStream<IWatchRequest, IWatchResponse>;
type CreateRequest = NonNullable<IWatchRequest['create_request']>;

// etcd answers a new watch at once, so a stream that is silent for this long is dead.
const silenceMs = 2_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;

/**
 * Speaks the watch protocol itself: etcd3's own watcher attaches one key per round trip, waits up to 30 s to reconnect, and never
 * notices a frozen stream. The stream is open only while somebody waits.
 */
export function createWatches(endpoints: Endpoints): Watches {
  return new WatchStream(endpoints);
}

class WatchStream implements Watches {
  readonly #endpoints: Endpoints;
  readonly #timeout = createCallTimeout(silenceMs);
  readonly #watches = new Set<Watch>();
  readonly #byId = new Map<string, Watch>();
  /** Watches whose creation etcd has not answered, by the ID that they will have; `undefined` for a probe. */
  readonly #unanswered = new Map<string, Watch | undefined>();
  #stream: Stream | undefined;
  #nextId = 0;
  #opening = false;
  /** The number of failures in a row. */
  #failures = 0;
  #heard = false;
  #check: NodeJS.Timeout | undefined;
  #reopening: NodeJS.Timeout | undefined;

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
    endpoints.onMove(() => this.#lookAgain());
  }

  change(key: Buffer, revision: string, writes: boolean, onChange: () => void): () => void {
    const watch: Watch = { key, seenRevision: revision, writes, onChange, id: undefined, isEarly: false };
    this.#watches.add(watch);
    if (this.#stream !== undefined) this.#ask(watch);
    else this.#openSoon();
    return () => {
      if (!this.#watches.delete(watch)) return;
      this.#cancel(watch);
      this.#rest();
    };
  }

  close(): void {
    this.#watches.clear();
    this.#rest();
  }

  async #open(): Promise<void> {
    this.#reopening = undefined;
    if (this.#opening || this.#stream !== undefined || this.#watches.size === 0) return;
    this.#opening = true;
    const client = this.#endpoints.current;
    const opened = this.#endpoints.connect().then(async (member) => {
      return { member, stream: await member.client.watchClient.watch(member.options) };
    });
    try {
      // A client of the caller may wait for a token forever.
      const { stream, member } = await this.#timeout.within(
        () => opened,
        (error) => error,
      );
      this.#opening = false;
      this.#begin(stream, member);
    } catch {
      opened.then(({ stream }) => end(stream)).catch(() => {});
      this.#opening = false;
      this.#endpoints.moveOn(client);
      this.#lookAgain();
    }
  }

  #begin(stream: Stream, member: Member): void {
    const failed = (): void => {
      this.#endpoints.moveOn(member.client);
      this.#lookAgain();
    };
    const over = (error?: Error): void => {
      if (this.#stream !== stream) return;
      if (error !== undefined && isStaleTokenReason(error.message)) this.#refused(member);
      else failed();
    };
    stream.on('error', over);
    stream.on('end', () => over());
    stream.on('data', (answer) => {
      if (this.#stream === stream) this.#receive(answer, member);
    });
    this.#stream = stream;
    if (this.#watches.size === 0) return this.#rest();
    if (this.#endpoints.current !== member.client) return this.#lookAgain();
    this.#heard = true;
    this.#check = setInterval(() => {
      if (!this.#heard) return failed();
      this.#heard = false;
      this.#probe();
    }, silenceMs).unref();
    for (const watch of this.#watches) this.#ask(watch);
  }

  #ask(watch: Watch): void {
    const { key, seenRevision, isEarly, writes } = watch;
    const start_revision = isEarly ? seenRevision : String(BigInt(seenRevision) + 1n);
    this.#create(watch, { key, start_revision, filters: writes ? [] : [FilterType.Noput] });
  }

  /** Creates a watch only to see whether etcd answers. A request for progress would crash the gRPC proxy of etcd 3.4. */
  #probe(): void {
    const [any] = this.#watches;
    if (any !== undefined) this.#create(undefined, { key: any.key, filters: [FilterType.Noput, FilterType.Nodelete] });
  }

  /** etcd takes the ID that we choose. The gRPC proxy ignores it, but counts in the same way. */
  #create(watch: Watch | undefined, request: CreateRequest): void {
    const watch_id = String(this.#nextId);
    this.#nextId += 1;
    this.#unanswered.set(watch_id, watch);
    this.#stream?.write({ create_request: { ...request, watch_id } });
  }

  #receive(answer: IWatchResponse, member: Member): void {
    this.#heard = true;
    const { created, canceled, watch_id: id } = answer;
    if (created) return canceled ? this.#refused(member) : this.#created(id, answer.header?.revision);
    // The gRPC proxy may cancel a watch that it has not confirmed.
    const watch = this.#byId.get(id) ?? this.#unanswered.get(id);
    if (watch === undefined || (!canceled && !isNews(answer, watch))) return;
    this.#unanswered.delete(id);
    if (canceled) this.#byId.delete(id);
    else this.#cancel(watch);
    if (!this.#watches.delete(watch)) return;
    watch.onChange();
    this.#rest();
  }

  /**
   * If something was written between the look and the watch, the watch begins again at the revision that was seen. One from the next would
   * miss a delete in it: if history was compacted to exactly that delete, etcd 3.4 neither reports it nor says that the watch came too
   * late (etcd-io/etcd#18089). A watch of the past is slower: etcd processes those every 100 ms.
   */
  #created(id: string, revision: string | undefined): void {
    const watch = this.#unanswered.get(id);
    if (!this.#unanswered.delete(id)) return;
    this.#failures = 0;
    if (watch === undefined) return void this.#stream?.write({ cancel_request: { watch_id: id } });
    watch.id = id;
    this.#byId.set(id, watch);
    // Ended before etcd had answered.
    if (!this.#watches.has(watch)) return this.#cancel(watch);
    if (watch.isEarly || revision === watch.seenRevision) return;
    this.#cancel(watch);
    watch.isEarly = true;
    this.#ask(watch);
  }

  /**
   * etcd creates no watch for a token that has expired, and may call that "permission denied". The watches of a new stream with a
   * new token begin where these began, so nothing is missed (H126). If that fails too, the waiters ask for themselves.
   */
  #refused(member: Member): void {
    member.discardToken();
    if (this.#failures > 0) return this.#lookAgain();
    this.#failures = 1;
    this.#drop();
    this.#openSoon();
  }

  #cancel(watch: Watch): void {
    if (watch.id === undefined) return;
    this.#byId.delete(watch.id);
    this.#stream?.write({ cancel_request: { watch_id: watch.id } });
    watch.id = undefined;
  }

  #drop(): void {
    clearInterval(this.#check);
    for (const watch of this.#watches) watch.id = undefined;
    this.#byId.clear();
    this.#unanswered.clear();
    this.#nextId = 0;
    if (this.#stream === undefined) return;
    const old = this.#stream;
    this.#stream = undefined;
    end(old);
  }

  /** The stream reports nothing any more: all waiters look by themselves, and then watch over another stream (H38). */
  #lookAgain(): void {
    this.#drop();
    this.#failures += 1;
    const told = [...this.#watches];
    this.#watches.clear();
    for (const watch of told) watch.onChange();
  }

  #rest(): void {
    if (this.#watches.size > 0) return;
    this.#drop();
    clearTimeout(this.#reopening);
    this.#reopening = undefined;
  }

  #openSoon(): void {
    if (this.#failures === 0) return void this.#open();
    const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(this.#failures - 1, 10), longestPauseMs);
    this.#reopening ??= setTimeout(() => this.#open(), pauseMs).unref();
  }
}

function isNews({ events }: IWatchResponse, { seenRevision }: Watch): boolean {
  return events.some(({ kv }) => BigInt(kv.mod_revision) > BigInt(seenRevision));
}

/** Ends the stream before cancelling it: to etcd3, a cancelled open stream means a failed member. */
function end(stream: Stream): void {
  stream.end();
  stream.cancel();
}

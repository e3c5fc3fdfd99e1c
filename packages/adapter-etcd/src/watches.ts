import type { IDuplexStream, IWatchRequest, IWatchResponse } from 'etcd3';
import { FilterType } from 'etcd3';
import type { Endpoints } from './endpoints.ts';

/** Tells of deletions, over one watch stream for all waiters of an adapter. */
export interface Watches {
  /**
   * Calls back once when the key is deleted after `revision`, or when that can no longer be told (after a compaction, H83):
   * look again then. Ended by the function that it gives back.
   */
  deletion(key: Buffer, revision: string, onChange: () => void): () => void;
  close(): void;
}

interface Watch {
  readonly key: Buffer;
  readonly startRevision: string;
  readonly onChange: () => void;
  id: string | undefined;
}

type Stream = IDuplexStream<IWatchRequest, IWatchResponse>;

// etcd answers a request for progress at once, so a stream that is silent for this long is dead.
const silenceMs = 2_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;

/**
 * etcd3's own watcher attaches one key per round trip, waits up to 30 s to reconnect, and never notices a frozen stream; so
 * this speaks the watch protocol itself. The stream is open only while somebody waits.
 */
export function createWatches(endpoints: Endpoints): Watches {
  const watches = new Set<Watch>();
  let byId = new Map<string, Watch>();
  /** Watches whose creation etcd has not answered; it answers in their order. */
  let unanswered: Watch[] = [];
  let stream: Stream | undefined;
  let opening = false;
  let failures = 0;
  let heard = false;
  let check: NodeJS.Timeout | undefined;
  let reopening: NodeJS.Timeout | undefined;
  endpoints.onMove(() => drop());

  async function open(): Promise<void> {
    if (opening || stream !== undefined || reopening !== undefined || watches.size === 0) return;
    opening = true;
    const client = endpoints.current;
    const failed = (): void => {
      endpoints.moveOn(client);
      drop();
    };
    try {
      const opened = await client.watchClient.watch();
      opening = false;
      if (watches.size === 0 || endpoints.current !== client) {
        shut(opened);
        return void open();
      }
      stream = opened;
      opened.on('data', (answer) => {
        if (stream === opened) receive(answer);
      });
      const over = (): void => {
        if (stream === opened) failed();
      };
      opened.on('error', over);
      opened.on('end', over);
      heard = true;
      check ??= setInterval(() => {
        if (!heard) return failed();
        heard = false;
        stream?.write({ progress_request: {} });
      }, silenceMs).unref();
      for (const watch of watches) ask(watch);
    } catch {
      opening = false;
      failed();
    }
  }

  function ask(watch: Watch): void {
    unanswered.push(watch);
    const { key, startRevision: start_revision } = watch;
    stream?.write({ create_request: { key, start_revision, filters: [FilterType.Noput] } });
  }

  function receive(answer: IWatchResponse): void {
    heard = true;
    failures = 0;
    const watch = answer.created ? unanswered.shift() : byId.get(answer.watch_id);
    if (watch === undefined) return;
    if (answer.created && !answer.canceled) {
      watch.id = answer.watch_id;
      byId.set(answer.watch_id, watch);
      // Given up before etcd had answered.
      if (!watches.has(watch)) cancel(watch);
    } else if (answer.canceled) {
      byId.delete(answer.watch_id);
      watch.id = undefined;
      if (watches.delete(watch)) tell(watch);
    } else if (answer.events.length > 0 && watches.delete(watch)) {
      cancel(watch);
      tell(watch);
    }
  }

  function tell(watch: Watch): void {
    watch.onChange();
    rest();
  }

  function cancel(watch: Watch): void {
    if (watch.id === undefined) return;
    byId.delete(watch.id);
    stream?.write({ cancel_request: { watch_id: watch.id } });
    watch.id = undefined;
  }

  /** Forgets the stream; another one takes up all watches from their revisions. */
  function drop(): void {
    const old = stream;
    stream = undefined;
    if (old !== undefined) shut(old);
    for (const watch of watches) watch.id = undefined;
    byId = new Map();
    unanswered = [];
    clearInterval(check);
    check = undefined;
    if (watches.size === 0 || reopening !== undefined) return;
    failures += 1;
    const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);
    reopening = setTimeout(() => {
      reopening = undefined;
      void open();
    }, pauseMs).unref();
  }

  function rest(): void {
    if (watches.size > 0) return;
    failures = 0;
    drop();
    clearTimeout(reopening);
    reopening = undefined;
  }

  return {
    deletion(key, revision, onChange) {
      const watch: Watch = { key, startRevision: String(BigInt(revision) + 1n), onChange, id: undefined };
      watches.add(watch);
      if (stream !== undefined) ask(watch);
      else void open();
      return () => {
        if (!watches.delete(watch)) return;
        cancel(watch);
        rest();
      };
    },
    close() {
      watches.clear();
      rest();
    },
  };
}

/** Ends a stream. Ended before it is cancelled, since etcd3 takes a cancelled open one for a failed member. */
function shut(stream: Stream): void {
  stream.on('error', () => {});
  stream.end();
  stream.cancel();
}

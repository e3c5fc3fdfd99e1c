import { FilterType, type IDuplexStream, type IWatchRequest, type IWatchResponse } from 'etcd3';
import type { Endpoints } from './endpoints.ts';

/** Tells of deletions, over one watch stream for all waiters of an adapter. */
export interface Watches {
  /**
   * Calls back once, when the key is deleted after `revision` or when that can no longer be told: after a compaction (H83), or
   * when the stream is dead. The caller then looks again. Ended early by the function that it gives back.
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
  const byId = new Map<string, Watch>();
  /** Watches whose creation etcd has not answered; it answers in their order. */
  let unanswered: Watch[] = [];
  let stream: Stream | undefined;
  let opening = false;
  let failures = 0;
  let heard = false;
  let check: NodeJS.Timeout | undefined;
  let reopening: NodeJS.Timeout | undefined;
  endpoints.onMove(lookAgain);

  async function open(): Promise<void> {
    reopening = undefined;
    if (opening || stream !== undefined || watches.size === 0) return;
    opening = true;
    const client = endpoints.current;
    const failed = (): void => {
      endpoints.moveOn(client);
      lookAgain();
    };
    try {
      const opened = await client.watchClient.watch();
      opening = false;
      const over = (): void => {
        if (stream === opened) failed();
      };
      opened.on('error', over);
      opened.on('end', over);
      opened.on('data', (answer) => {
        if (stream === opened) receive(answer);
      });
      stream = opened;
      if (watches.size === 0 || endpoints.current !== client) return lookAgain();
      heard = true;
      check = setInterval(() => {
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
      // Ended before etcd had answered.
      if (!watches.has(watch)) cancel(watch);
      return;
    }
    if (!answer.canceled && answer.events.length === 0) return;
    if (answer.canceled) byId.delete(answer.watch_id);
    else cancel(watch);
    if (!watches.delete(watch)) return;
    watch.onChange();
    rest();
  }

  function cancel(watch: Watch): void {
    if (watch.id === undefined) return;
    byId.delete(watch.id);
    stream?.write({ cancel_request: { watch_id: watch.id } });
    watch.id = undefined;
  }

  function drop(): void {
    clearInterval(check);
    byId.clear();
    unanswered = [];
    if (stream === undefined) return;
    const old = stream;
    stream = undefined;
    // Ended before it is cancelled, since etcd3 takes a cancelled open stream for a failed member.
    old.end();
    old.cancel();
  }

  /** The stream tells nothing any more: all who wait look for themselves, and then watch over another one (H38). */
  function lookAgain(): void {
    drop();
    failures += 1;
    const told = [...watches];
    watches.clear();
    for (const watch of told) watch.onChange();
  }

  function rest(): void {
    if (watches.size > 0) return;
    drop();
    clearTimeout(reopening);
    reopening = undefined;
  }

  function openSoon(): void {
    if (failures === 0) return void open();
    const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);
    reopening ??= setTimeout(open, pauseMs).unref();
  }

  return {
    deletion(key, revision, onChange) {
      const watch: Watch = { key, startRevision: String(BigInt(revision) + 1n), onChange, id: undefined };
      watches.add(watch);
      if (stream !== undefined) ask(watch);
      else openSoon();
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

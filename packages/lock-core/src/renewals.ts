import { checkRenewReplies, checkRenewReply, leaseDeadline } from './adapter-replies.ts';
import { callWithTimeout } from './backend-call.ts';
import type { Context } from './context.ts';
import { channels } from './diagnostics.ts';
import { isRefusal, lost, wasNotSent } from './errors.ts';
import { type AcquireRequest, type Hold, sleptMs } from './hold.ts';
import type { RenewOutcome } from './lock-adapter.ts';
import { attemptTimeout, longestArrivalMs } from './options.ts';
import { expireIfDue, loseHold } from './release.ts';

/** One renewal on its way: of one request or, in a batch, of many. */
interface Sent {
  readonly requests: readonly AcquireRequest[];
  readonly ttlMs: number;
  readonly at: number;
  /** How far the wall clock was ahead at that moment. */
  readonly wallAhead: number;
}

/** Sends renewals in batches and takes in what comes back: renewed, lost, nothing, or something too late. */
export class Renewals {
  readonly #context: Context;
  // By TTL, since a batch has one. Requests rather than holds: a hold may be handed over meanwhile.
  #due = new Map<number, AcquireRequest[]>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Sends the renewal of the hold at the end of this turn, together with all that are due in it. */
  queue(hold: Hold, ttlMs: number): void {
    if (this.#due.size === 0) void Promise.resolve().then(() => this.#sendDue());
    const batch = this.#due.get(ttlMs);
    if (batch === undefined) this.#due.set(ttlMs, [hold.request]);
    else batch.push(hold.request);
    hold.renewAt = Number.POSITIVE_INFINITY;
    this.#schedule(hold);
  }

  #sendDue(): void {
    const batches = this.#due;
    this.#due = new Map();
    for (const [ttlMs, batch] of batches) {
      const requests = batch.filter(({ hold }) => hold !== undefined && !hold.over && hold.renewing === undefined);
      if (this.#context.adapter.renewMany !== undefined && requests.length > 1) void this.send(requests, ttlMs);
      else for (const request of requests) void this.send([request], ttlMs);
    }
  }

  /** Renews holds for one TTL. Never rejects; gives the failure if there was no usable answer. */
  send(requests: readonly AcquireRequest[], ttlMs: number): Promise<{ cause: unknown } | undefined> {
    const { settings, timers } = this.#context;
    const at = settings.clock.now();
    const sent: Sent = { requests, ttlMs, at, wallAhead: settings.clock.wallNow() - at };
    // Of three renewals two may stay without an answer, and the third still comes in time (H51, H58).
    const withinMs = Math.min(attemptTimeout(settings, ttlMs), ttlMs / 6);
    const take = (outcomes: readonly RenewOutcome[]): { cause: unknown } | undefined => this.#answered(sent, outcomes);
    const done = callWithTimeout(timers, at, withinMs, () => this.#call(requests, ttlMs), take).then(
      (outcomes) => {
        settle(requests);
        return take(outcomes);
      },
      (cause: unknown) => {
        settle(requests);
        for (const request of requests) this.#failed(sent, request, cause);
        return { cause };
      },
    );
    const settled = done.then(() => {});
    for (const { hold } of requests) {
      if (hold === undefined) continue;
      hold.renewing = settled;
      hold.sentTtlMs = ttlMs;
    }
    return done;
  }

  async #call(requests: readonly AcquireRequest[], ttlMs: number): Promise<readonly RenewOutcome[]> {
    const { adapter } = this.#context;
    const [only] = requests;
    if (requests.length > 1 && adapter.renewMany !== undefined) {
      return checkRenewReplies(adapter, await adapter.renewMany(requests, ttlMs));
    }
    return only === undefined ? [] : [await adapter.renew(only, ttlMs)];
  }

  #answered(sent: Sent, outcomes: readonly RenewOutcome[]): { cause: unknown } | undefined {
    const { adapter, settings } = this.#context;
    const now = settings.clock.now();
    // The time asleep since the renewal was sent counts before anybody sees the new deadline.
    const slept = sleptMs(settings.clock.wallNow() - now - sent.wallAhead) > 0;
    let failure: { cause: unknown } | undefined;
    let i = 0;
    for (const request of sent.requests) {
      try {
        this.#apply(sent, request, checkRenewReply(adapter, request.key, outcomes[i++] as RenewOutcome), now);
      } catch (cause) {
        // A reply of no shape is an unknown outcome, not a refusal: the lease may still be renewed in time.
        failure = { cause: new Error((cause as Error).message) };
        this.#failed(sent, request, failure.cause);
      }
    }
    for (const { hold } of slept ? sent.requests : []) if (hold !== undefined) expireIfDue(this.#context, hold);
    return failure;
  }

  #apply(sent: Sent, request: AcquireRequest, outcome: RenewOutcome, now: number): void {
    const { hold } = request;
    if (hold === undefined || hold.over) return;
    const { adapter } = this.#context;
    tell(adapter.name, request, outcome.status);
    if (outcome.status === 'lost') {
      const why =
        'the backend says that this owner no longer holds it (it expired, was taken over or released by force)';
      return loseHold(this.#context, hold, lost(hold.key, adapter.name, why), 'is free of it');
    }
    // Whatever the answer, a lease whose time was over before it came stays lost: `loseHold` runs at its deadline.
    if (now >= hold.deadline) return;
    const validForMs = Math.min(outcome.validForMs, this.#certainMs(sent, request, hold, now));
    const deadline = leaseDeadline(sent.at, validForMs, sent.ttlMs, now, adapter.capabilities);
    if (deadline > hold.deadline) {
      hold.deadline = deadline;
      hold.wallAhead = sent.wallAhead;
    }
    if (hold.options.autoRenew) hold.planRenewal(sent.at, validForMs);
    else {
      // What an older request may still shorten is confirmed until it no longer can.
      hold.confirmUntil = validForMs < outcome.validForMs ? sent.at + outcome.validForMs : 0;
      hold.renewAt = hold.confirmUntil > 0 ? sent.at + validForMs / 3 : Number.POSITIVE_INFINITY;
    }
    hold.grouped = true;
    this.#schedule(hold);
  }

  /**
   * The longest time to count on, whatever else arrives: a request that had no answer may arrive behind this renewal and set
   * a shorter lease, from its arrival on. It limits the lease for as long as it may arrive, and no longer (H113).
   */
  #certainMs({ ttlMs }: Sent, request: AcquireRequest, hold: Hold, now: number): number {
    const { settings } = this.#context;
    const { unknown } = hold;
    let certainMs = unknown !== undefined && now < unknown.until ? unknown.ttlMs : Number.POSITIVE_INFINITY;
    if (request.unanswered > 0 && now < request.sentAt + longestArrivalMs(settings, request.ttlMs)) {
      certainMs = Math.min(certainMs, request.ttlMs);
    }
    // A late answer, when a renewal of another TTL was sent since: only what both allow.
    return ttlMs === hold.sentTtlMs ? certainMs : Math.min(certainMs, hold.sentTtlMs);
  }

  #failed(sent: Sent, request: AcquireRequest, cause: unknown): void {
    const { hold } = request;
    if (hold === undefined || hold.over) return;
    const { adapter, settings } = this.#context;
    tell(adapter.name, request, 'unknown');
    if (isRefusal(cause)) {
      return loseHold(this.#context, hold, lost(hold.key, adapter.name, cause.message, cause), 'may still hold it');
    }
    const now = settings.clock.now();
    if (!wasNotSent(cause)) {
      const known = hold.unknown !== undefined && now < hold.unknown.until ? hold.unknown : undefined;
      const until = sent.at + longestArrivalMs(settings, sent.ttlMs);
      hold.unknown = {
        ttlMs: Math.min(known?.ttlMs ?? sent.ttlMs, sent.ttlMs),
        until: Math.max(known?.until ?? until, until),
      };
    }
    if (!hold.options.autoRenew && hold.confirmUntil <= now) return;
    hold.renewAt = now + renewPauseMs(hold);
    this.#schedule(hold);
  }

  #schedule(hold: Hold): void {
    this.#context.holdTimers.set(hold, hold.dueAt);
  }
}

/** How long to wait after a renewal that failed. */
export const renewPauseMs = (hold: Hold): number => Math.min(hold.ttlMs / 20, 500);

function settle(requests: readonly AcquireRequest[]): void {
  for (const { hold } of requests) if (hold !== undefined) hold.renewing = undefined;
}

function tell(adapter: string, { key, owner }: AcquireRequest, outcome: string): void {
  if (channels.renew.hasSubscribers) channels.renew.publish({ adapter, key, owner, outcome });
}

import type { LockEvent } from '@holdfast/lock-core';
import { type Attributes, context, type Span, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { attributes } from './attributes.ts';
import { errorType } from './error-type.ts';
import { listen } from './events.ts';

type Context = ReturnType<typeof context.active>;

/** One pending acquisition, or one hold. */
interface Open {
  readonly span: Span;
  /** The context of the caller: both spans of a lock are its children. */
  readonly parent: Context;
}

/**
 * Records one span from the call until the lock is granted or the caller gives up, and one for as long as the lock is held.
 * Calling the result stops it.
 */
export function recordSpans(tracer: Tracer): () => void {
  const acquisitions = new Map<number, Open>();
  const holds = new Map<number, Open>();

  const about = ({ adapter, key }: LockEvent): Attributes => ({ [attributes.adapter]: adapter, [attributes.key]: key });

  function close(open: Map<number, Open>, id: number, outcome: string, error?: unknown): Open | undefined {
    const found = open.get(id);
    if (found === undefined) return undefined;
    open.delete(id);
    const { span } = found;
    span.setAttribute(attributes.outcome, outcome);
    if (error !== undefined) {
      span.setAttribute(attributes.errorType, errorType(error));
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    }
    span.end();
    return found;
  }

  const stop = listen({
    acquire: (event) => {
      const parent = context.active();
      const of = { ...about(event), [attributes.mode]: event.mode };
      const span = tracer.startSpan('holdfast acquire', { attributes: of }, parent);
      acquisitions.set(event.acquisition, { span, parent });
    },
    grant: (event) => {
      const { acquisition, fencingToken, holder, mode, owner, ttlMs, via, waitedMs } = event;
      const of: Attributes = {
        [attributes.via]: via,
        [attributes.ttl]: ttlMs / 1_000,
        [attributes.mode]: mode,
        [attributes.owner]: owner,
        ...(holder === undefined ? {} : { [attributes.holder]: holder }),
        // Above 2^53, a number would not be the token.
        ...(fencingToken === undefined ? {} : { [attributes.fencingToken]: String(fencingToken) }),
      };
      acquisitions.get(acquisition)?.span.setAttributes({ ...of, [attributes.waited]: waitedMs / 1_000 });
      const begun = close(acquisitions, acquisition, 'acquired');
      if (begun === undefined || via === 'reentry') return;
      const links = [{ context: begun.span.spanContext() }];
      const span = tracer.startSpan('holdfast hold', { attributes: { ...about(event), ...of }, links }, begun.parent);
      holds.set(acquisition, { span, parent: begun.parent });
    },
    fail: ({ acquisition, outcome, reason, waitedMs }) => {
      acquisitions.get(acquisition)?.span.setAttribute(attributes.waited, waitedMs / 1_000);
      // A busy lock and a caller that gave up are not errors.
      close(acquisitions, acquisition, outcome, outcome === 'busy' || outcome === 'aborted' ? undefined : reason);
    },
    release: ({ acquisition, outcome }) => {
      const error = outcome === 'lost' ? new Error('The lock was lost before it was released.') : undefined;
      close(holds, acquisition, outcome, error);
    },
    warning: ({ acquisition, message, warning }) => {
      holds.get(acquisition)?.span.addEvent('holdfast.warning', { [attributes.warning]: warning, message });
    },
    lost: ({ acquisition, reason }) => {
      close(holds, acquisition, 'lost', reason);
    },
  });
  return () => {
    stop();
    for (const open of [acquisitions, holds]) for (const id of [...open.keys()]) close(open, id, 'not observed');
  };
}

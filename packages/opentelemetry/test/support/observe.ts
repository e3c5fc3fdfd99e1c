import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import {
  type DataPoint,
  type Histogram,
  MeterProvider,
  MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { type HoldfastInstrumentationOptions, holdfastInstrumentation } from '../../src/index.ts';

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

class OnDemandReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export interface Observed extends Disposable {
  readonly tracer: ReturnType<BasicTracerProvider['getTracer']>;
  /** The spans that have ended, all of them or those of one name. */
  spans(name?: string): ReadableSpan[];
  metrics(): Promise<ResourceMetrics>;
  /** The sum of a counter, or the count of a histogram, over the series that have these attributes. */
  total(metric: string, attributes?: Record<string, string>): Promise<number>;
}

/** Registers the instrumentation with the SDK, as an application does, and keeps what it exports in memory. */
export function observe(options?: HoldfastInstrumentationOptions): Observed {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const reader = new OnDemandReader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const stop = registerInstrumentations({
    instrumentations: [holdfastInstrumentation(options)],
    tracerProvider,
    meterProvider,
  });
  const metrics = async (): Promise<ResourceMetrics> => (await reader.collect()).resourceMetrics;
  return {
    tracer: tracerProvider.getTracer('test'),
    spans: (name) => exporter.getFinishedSpans().filter((span) => name === undefined || span.name === name),
    metrics,
    async total(metric, attributes = {}) {
      const { scopeMetrics } = await metrics();
      const series = scopeMetrics.flatMap((scope) => scope.metrics).find((entry) => entry.descriptor.name === metric);
      const points = (series?.dataPoints ?? []) as DataPoint<number | Histogram>[];
      return points
        .filter((point) => Object.entries(attributes).every(([name, value]) => point.attributes[name] === value))
        .reduce((sum, { value }) => sum + (typeof value === 'number' ? value : value.count), 0);
    },
    [Symbol.dispose]: stop,
  };
}

/** Runs under a span of the caller's own. */
export function under<T>(observed: Observed, body: () => Promise<T>): Promise<T> {
  const span = observed.tracer.startSpan('request');
  return context.with(trace.setSpan(context.active(), span), body).finally(() => span.end());
}

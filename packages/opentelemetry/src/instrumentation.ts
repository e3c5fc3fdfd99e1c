import { type MeterProvider, metrics, type TracerProvider, trace } from '@opentelemetry/api';
import { type KeyGroup, recordMetrics } from './metrics.ts';
import { recordSpans } from './spans.ts';
import { watchStalls } from './stalls.ts';
import { name, version } from './version.ts';

/** The options of `holdfastInstrumentation`. */
export interface HoldfastInstrumentationOptions {
  /**
   * Adds the attribute `holdfast.key` to metrics. The function returns the group of a key, such as `invoice` for `invoice:42`, or
   * `undefined` for none. Default: metrics have no key, since each value creates time series of its own.
   */
  readonly keyGroup?: KeyGroup | undefined;
}

/**
 * An instrumentation for `registerInstrumentations` and `NodeSDK`. `enable` starts recording; `disable` stops recording and ends the
 * open spans. The default providers are those of `@opentelemetry/api`.
 */
export interface HoldfastInstrumentation {
  readonly instrumentationName: string;
  readonly instrumentationVersion: string;
  enable(): void;
  disable(): void;
  setTracerProvider(provider: TracerProvider): void;
  setMeterProvider(provider: MeterProvider): void;
  getConfig(): { enabled?: boolean };
  setConfig(config: { enabled?: boolean }): void;
}

/** Creates an instrumentation that, once registered or enabled, records spans and metrics of all locks of this process. */
export function holdfastInstrumentation(options: HoldfastInstrumentationOptions = {}): HoldfastInstrumentation {
  let tracers: TracerProvider | undefined;
  let meters: MeterProvider | undefined;
  let config: { enabled?: boolean } = { enabled: false };
  let stops: (() => void)[] = [];

  function disable(): void {
    for (const stop of stops) stop();
    stops = [];
  }

  function enable(): void {
    disable();
    const meter = (meters ?? metrics).getMeter(name, version);
    const tracer = (tracers ?? trace).getTracer(name, version);
    stops = [recordSpans(tracer), recordMetrics(meter, options.keyGroup), watchStalls(meter)];
  }

  /** A provider that is set later takes over from then on. */
  function restart(): void {
    if (stops.length > 0) enable();
  }

  return {
    instrumentationName: name,
    instrumentationVersion: version,
    enable,
    disable,
    setTracerProvider(provider) {
      tracers = provider;
      restart();
    },
    setMeterProvider(provider) {
      meters = provider;
      restart();
    },
    getConfig: () => config,
    setConfig(changed) {
      config = changed;
    },
  };
}

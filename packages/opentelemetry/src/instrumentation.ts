import { type MeterProvider, metrics, type TracerProvider, trace } from '@opentelemetry/api';
import { type KeyGroup, recordMetrics } from './metrics.ts';
import { recordSpans } from './spans.ts';
import { watchStalls } from './stalls.ts';
import { name, version } from './version.ts';

/** What `holdfastInstrumentation` takes. */
export interface HoldfastInstrumentationOptions {
  /**
   * Puts keys on metrics, as the attribute `holdfast.key`: gives the group that a key belongs to, e.g. `invoice` for
   * `invoice:42`, or `undefined` for none. Default: no key on any metric, as each value makes time series of its own.
   */
  readonly keyGroup?: KeyGroup | undefined;
}

/**
 * The shape that `registerInstrumentations` and `NodeSDK` take. `enable` begins to listen; `disable` ends it, and with it
 * the spans that are open. The providers are those of `@opentelemetry/api` unless they are set.
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

/** Spans and metrics of every lock of this process, whichever adapter it is on. Listens once it is registered or enabled. */
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

  /** A provider that comes when we listen already takes over from here on. */
  function anew(): void {
    if (stops.length > 0) enable();
  }

  return {
    instrumentationName: name,
    instrumentationVersion: version,
    enable,
    disable,
    setTracerProvider(provider) {
      tracers = provider;
      anew();
    },
    setMeterProvider(provider) {
      meters = provider;
      anew();
    },
    getConfig: () => config,
    setConfig(changed) {
      config = changed;
    },
  };
}

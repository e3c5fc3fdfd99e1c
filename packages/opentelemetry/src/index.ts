export {
  type HoldfastInstrumentation,
  type HoldfastInstrumentationOptions,
  holdfastInstrumentation,
} from './instrumentation.ts';

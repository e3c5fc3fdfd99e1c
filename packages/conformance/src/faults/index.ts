export { faultProxy } from './proxy.ts';
export type { Direction, FaultProxy, ProxyTarget, SwallowOptions } from './types.ts';

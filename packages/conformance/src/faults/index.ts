export { type AdapterFault, type AdapterFaults, adapterFaults, type FaultyMethod } from './adapter-faults.ts';
export { type FaultProxies, faultProxies } from './proxies.ts';
export { faultProxy } from './proxy.ts';
export type { Direction, FaultProxy, ProxyTarget, SwallowOptions } from './types.ts';

export { type MemoryAdapterOptions, memoryAdapter } from './adapter.ts';
export { type MemoryStore, memoryStore } from './store.ts';

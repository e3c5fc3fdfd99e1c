export { postgresAdapter, postgresAdapter as createAdapter } from './adapter.ts';
export type { PostgresLockOptions } from './options.ts';
export { createLockTables } from './tables.ts';

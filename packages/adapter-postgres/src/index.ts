export { type PostgresLockAdapter, postgresAdapter, postgresAdapter as createAdapter } from './adapter.ts';
export type {
  PgClientLike,
  PgliteLike,
  PgPoolLike,
  PostgresClientLike,
  PostgresJsLike,
} from './drivers/clients.ts';
export type { KnexLike, PrismaLike, QueryFunction } from './drivers/query.ts';
export { type FactSource, openFacts, type PostgresFacts } from './facts.ts';
export { openPostgres, type PostgresTarget, postgresAdapterFactory, setUpPostgres } from './open.ts';
export type { PostgresLockOptions } from './options.ts';
export { lockSchemaSql } from './schema.ts';
export { createLockSchema } from './setup.ts';

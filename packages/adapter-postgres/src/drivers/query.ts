/** Runs one statement outside of a transaction, and returns its rows: an array of objects, or an object with `rows`. */
export type QueryFunction = (text: string, values: readonly (string | null)[]) => PromiseLike<unknown>;

/** A Knex instance, or a transaction of it. */
export interface KnexLike {
  raw(text: string, values: readonly (string | null)[]): PromiseLike<unknown>;
}

/** A client of Prisma, or the one of an interactive transaction. */
export interface PrismaLike {
  $queryRawUnsafe(text: string, ...values: (string | null)[]): PromiseLike<unknown>;
}

/** How to send statements through a query builder; `undefined` for anything else. An instance or transaction of Knex is also a function. */
export function queryThrough(client: unknown): QueryFunction | undefined {
  const { raw, $queryRawUnsafe } = (client ?? {}) as Partial<KnexLike & PrismaLike>;
  if (typeof $queryRawUnsafe === 'function')
    return (text, values) => (client as PrismaLike).$queryRawUnsafe(text, ...values);
  if (typeof client !== 'function') return undefined;
  // The parameters are in order, and each appears once.
  if (typeof raw === 'function')
    return (text, values) =>
      (client as unknown as KnexLike).raw(text.replaceAll('?', '\\?').replaceAll(/\$\d+/g, '?'), values);
  return client as QueryFunction;
}

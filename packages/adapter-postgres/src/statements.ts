import { named, quoteSchema } from './schema.ts';
import { endSql, plainTakeSql, takeSql } from './sql/fast.ts';

/** One statement with parameters that are all texts, and one value, `answer`, as its result. */
export interface Statement {
  /** For drivers that prepare statements by name. */
  readonly name: string;
  readonly text: string;
}

/** Every statement that the adapter sends. */
export interface Statements {
  /** `ask` for an exclusive hold. */
  readonly take: Statement;
  readonly ask: Statement;
  readonly release: Statement;
  readonly force: Statement;
  readonly renew: Statement;
  readonly downgrade: Statement;
  readonly beat: Statement;
  readonly inspect: Statement;
  readonly keys: Statement;
  readonly version: Statement;
  readonly pin: Statement;
  /** The number of the transaction that a statement is in, if it has one. */
  readonly transaction: Statement;
}

/**
 * For a client that prepares nothing, the plain statements of the usual cases would be planned each time, which costs more than the functions
 * that they save.
 * @throws LockError LOCK_INVALID_ARGUMENT for a schema that cannot be
 */
export function statementsFor(schema: string, prepares: boolean): Statements {
  const name = quoteSchema(schema);
  const call = (step: string, ...types: string[]): Statement => {
    const parameters = types.map((type, i) => (type === 'text' ? `$${i + 1}::text` : `$${i + 1}::text::${type}`));
    const text = `SELECT ${name}.${step}(${parameters.join(', ')}) AS answer`;
    return { name: `${schema}.${step}`, text };
  };
  return {
    take: { name: `${schema}.take`, text: named(prepares ? takeSql : plainTakeSql, schema) },
    ask: call('ask', 'text', 'text', 'bigint', 'bigint', 'float8', 'integer', 'float8', 'text'),
    release: prepares ? { name: `${schema}.release`, text: named(endSql, schema) } : call('release', 'text', 'text'),
    force: call('force', 'text', 'text'),
    renew: call('renew', 'text[]', 'text[]', 'float8'),
    downgrade: call('downgrade', 'text', 'text', 'float8'),
    beat: call('beat', 'text[]', 'text[]', 'float8'),
    inspect: call('inspect', 'text'),
    keys: call('held_keys', 'text'),
    version: { name: `${schema}.version`, text: `SELECT ${name}.version()::text AS answer` },
    pin: call('pin', 'text', 'text'),
    transaction: {
      name: 'holdfast.transaction',
      text: `SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'none') AS answer`,
    },
  };
}

/** A key or an owner as the statements take it: every driver passes hexadecimal digits alike. */
export const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

/** What `hex` made, as it was. */
export const fromHex = (digits: string): string => Buffer.from(digits, 'hex').toString('utf8');

/** Texts as one parameter: digits need no quotes inside an array. */
export const hexArray = (texts: readonly string[]): string => `{${texts.map(hex).join(',')}}`;

import { createHash } from 'node:crypto';
import { named, quoteSchema } from './schema.ts';
import { askSql, endSql, takeSql } from './sql/fast.ts';

/** One statement. All its parameters are texts, and its result is one value, `answer`. */
export interface Statement {
  /** For drivers that prepare statements by name. */
  readonly name: string;
  readonly text: string;
  /** Its answer if it has changed a row and returns none. */
  readonly changed?: string;
  /** The usual case, which is sent first on the same connection, with the first of the parameters. This one follows if that has no answer. */
  readonly first?: Statement & { readonly parameters: number };
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
 * For a client that prepares nothing, the plain statements of the usual cases would be planned each time, which costs more than calling
 * the functions.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid name of the schema
 */
export function statementsFor(schema: string, prepares: boolean): Statements {
  const name = quoteSchema(schema);
  // The server truncates the name of a prepared statement after 63 bytes, so all would get the same name.
  const prefix =
    Buffer.byteLength(schema) <= 40 ? schema : createHash('sha256').update(schema).digest('hex').slice(0, 32);
  const call = (step: string, ...types: string[]): Statement => {
    const parameters = types.map((type, i) => (type === 'text' ? `$${i + 1}::text` : `$${i + 1}::text::${type}`));
    const text = `SELECT ${name}.${step}(${parameters.join(', ')}) AS answer`;
    return { name: `${prefix}.${step}`, text };
  };
  const usual = (first: NonNullable<Statement['first']>): Pick<Statement, 'first'> => (prepares ? { first } : {});
  return {
    take: {
      name: `${prefix}.ask_alone`,
      text: named(askSql, schema),
      ...usual({ name: `${prefix}.take`, text: named(takeSql, schema), parameters: 4 }),
    },
    ask: call('ask', 'text', 'text', 'bigint', 'bigint', 'float8', 'integer', 'float8', 'text'),
    release: {
      ...call('release', 'text', 'text'),
      ...usual({ name: `${prefix}.end`, text: named(endSql, schema), parameters: 2, changed: 'released' }),
    },
    force: call('force', 'text', 'text'),
    renew: call('renew', 'text[]', 'text[]', 'float8'),
    downgrade: call('downgrade', 'text', 'text', 'float8'),
    beat: call('beat', 'text[]', 'text[]', 'float8'),
    inspect: call('inspect', 'text'),
    keys: call('held_keys', 'text'),
    version: { name: `${prefix}.version`, text: `SELECT ${name}.version()::text AS answer` },
    pin: call('pin', 'text', 'text'),
    transaction: {
      name: 'holdfast.transaction',
      text: `SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'none') AS answer`,
    },
  };
}

/** A key or an owner as the statements take it: every driver passes hexadecimal digits unchanged. */
export const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

/** The opposite of `hex`. */
export const fromHex = (digits: string): string => Buffer.from(digits, 'hex').toString('utf8');

/** Texts as one parameter; hexadecimal digits need no quotes inside an array. */
export const hexArray = (texts: readonly string[]): string => `{${texts.map(hex).join(',')}}`;

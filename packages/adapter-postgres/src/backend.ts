import { LockError } from '@holdfast/lock-core';
import { isWithoutSchema, readable } from './errors.ts';
import type { Settings } from './options.ts';
import { lockSchemaSql, schemaVersion } from './schema.ts';
import { type Statement, type Statements, statementsFor } from './statements.ts';

/** The database with its schema. */
export interface Backend {
  readonly statements: Statements;
  /** Runs one step; what the database refuses for good rejects with a `LockError` that says what to do. */
  step(statement: Statement, values: readonly (string | null)[], more?: StepOptions): Promise<unknown>;
}

interface StepOptions {
  /** The lock that it is about, for errors. */
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onSend?: (() => void) | undefined;
}

/** Looks at the version of the schema once, before the first step, and creates the schema where that is allowed. */
export function createBackend({ driver, schema, createSchema }: Settings): Backend {
  const statements = statementsFor(schema, driver.prepares);
  let checked: Promise<void> | undefined;
  let isReady = false;

  async function check(): Promise<void> {
    let version: unknown;
    try {
      version = await driver.answer(statements.version, []);
    } catch (error) {
      if (!isWithoutSchema(error) || !createSchema) throw error;
      await driver.run(lockSchemaSql(schema));
      version = await driver.answer(statements.version, []);
    }
    if (version !== String(schemaVersion)) {
      throw new LockError(
        'LOCK_UNSUPPORTED',
        `the schema ${schema} has version ${version} and this adapter uses version ${schemaVersion}: run \`holdfast setup <url>\` of the newer one`,
        { retryable: false },
      );
    }
    isReady = true;
  }

  async function ready(): Promise<void> {
    checked ??= check().finally(() => {
      if (!isReady) checked = undefined;
    });
    return checked;
  }

  return {
    statements,
    async step(statement, values, { key, signal, onSend } = {}) {
      try {
        if (!isReady) await ready();
        try {
          return await driver.answer(statement, values, signal, onSend);
        } catch (error) {
          // The database was emptied since: nothing has been done, so it may be asked again.
          if (!createSchema || !isWithoutSchema(error)) throw error;
          isReady = false;
          checked = undefined;
          await ready();
          return await driver.answer(statement, values, signal, onSend);
        }
      } catch (error) {
        throw error === signal?.reason && signal?.aborted ? error : readable(error, key);
      }
    },
  };
}

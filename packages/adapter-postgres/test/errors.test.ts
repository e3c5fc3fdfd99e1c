import { describe, expect, it } from 'vitest';
import { isForbidden, isUndone, isWithoutSchema, readable, readableSetUp } from '../src/errors.ts';

const ofPg = (code: string, message: string) => Object.assign(new Error(message), { code, severity: 'ERROR' });

/** As Prisma 7.10 with @prisma/adapter-pg 7.10 gives them; some it names itself, and leaves the severity out. */
function ofPrisma(originalCode: string, originalMessage: string, kind = 'postgres') {
  const told = kind === 'postgres' ? { code: originalCode, message: originalMessage, severity: 'ERROR' } : {};
  return Object.assign(new Error(`\nInvalid \`prisma.$queryRawUnsafe()\` invocation:\n\n${originalMessage}`), {
    code: 'P2010',
    meta: {
      driverAdapterError: Object.assign(new Error(kind), { cause: { originalCode, originalMessage, kind, ...told } }),
    },
  });
}

/** The same answers of the server, as drivers and query builders hand them on. */
const wrapped: Record<string, (code: string, message: string) => Error> = {
  pg: ofPg,
  Prisma: ofPrisma,
  'Prisma before 7': (code, message) => Object.assign(new Error('failed'), { code: 'P2010', meta: { code, message } }),
  Drizzle: (code, message) => new Error('Failed query', { cause: ofPg(code, message) }),
  Sequelize: (code, message) => Object.assign(new Error('failed'), { original: ofPg(code, message) }),
  TypeORM: (code, message) => Object.assign(new Error('failed'), { driverError: ofPg(code, message) }),
  Objection: (code, message) => Object.assign(new Error('failed'), { nativeError: ofPg(code, message) }),
};

describe.each(Object.entries(wrapped))('an error of %s', (_, make) => {
  it('is read in the words of the server', () => {
    const message = 'relation "holdfast.lock" does not exist';
    expect(readable(make('42P01', message), 'k')).toMatchObject({
      code: 'LOCK_BACKEND',
      retryable: false,
      key: 'k',
      message: expect.stringMatching(/^PostgreSQL refuses: relation "holdfast.lock" does not exist \(42P01\): create/),
    });
    expect([isWithoutSchema(make('3F000', '')), isForbidden(make('42501', ''))]).toEqual([true, true]);
  });

  it('that says nothing definite stays as it is', () => {
    const late = make('40P01', 'deadlock detected');
    expect(readable(late)).toBe(late);
  });
});

it('a statement that failed is told from one that may have been done', () => {
  const undone = Object.entries(wrapped).filter(([, make]) => isUndone(make('55P03', 'canceled')));
  expect(undone.map(([name]) => name)).toEqual(Object.keys(wrapped).filter((name) => name !== 'Prisma before 7'));
  for (const unknown of [
    ofPrisma('42P01', 'no table', 'TableDoesNotExist'),
    ofPg('25006', 'read-only'),
    Object.assign(new Error('gone'), { code: 'P1001' }),
    Object.assign(new Error('gone'), { code: 'EPIPE' }),
    new Error('timeout'),
    undefined,
  ])
    expect(isUndone(unknown)).toBe(false);
  expect(isWithoutSchema(ofPrisma('42P01', 'no table', 'TableDoesNotExist'))).toBe(true);
});

it('what somebody else has made just now, while the schema was created, may be asked for again', () => {
  for (const code of ['42P06', '42P07', '42710', '42723', '23505', '40P01', '57014']) {
    const raced = ofPg(code, 'already exists');
    expect(readableSetUp(raced)).toBe(raced);
  }
  for (const code of ['42601', '42703', '0A000', 'P0001', '22023'])
    expect(readableSetUp(ofPg(code, 'no'))).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
  const unknown = new Error('gone');
  expect(readableSetUp(unknown)).toBe(unknown);
});

it('the codes of Prisma are none of the server', () => {
  const away = Object.assign(new Error('cannot reach the database'), { code: 'P1001' });
  expect(readable(away)).toBe(away);
});

it('a pooler that lost what was prepared is named, whatever it has been told to ignore', () => {
  for (const code of ['08P01', '26000', '42P05']) {
    const message = expect.stringContaining('`pooler`');
    expect(readable(Object.assign(new Error('prepared'), { code }))).toMatchObject({ retryable: false, message });
  }
});

it('an error that names itself as its cause is read to the end', () => {
  const [one, two] = [new Error('one'), new Error('two')];
  one.cause = two;
  two.cause = one;
  expect(readable(one)).toBe(one);
});

it('a schema of a newer package asks for a newer one, not for other rights', () => {
  expect(readableSetUp(ofPg('HF003', 'the schema has version 2'))).toMatchObject({
    message: expect.stringMatching(/version 2 \(HF003\): upgrade this package\.$/),
    retryable: false,
  });
});

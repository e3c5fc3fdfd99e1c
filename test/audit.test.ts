import { describe, expect, it } from 'vitest';
import { deprecatedIn, readAudit } from '../scripts/audit.ts';

describe('what npm audit says', () => {
  it('is how many vulnerabilities are known', () => {
    const answer = (total: number) =>
      JSON.stringify({
        auditReportVersion: 2,
        vulnerabilities: {},
        metadata: { vulnerabilities: { high: total, total } },
      });
    expect(readAudit(answer(0))).toEqual({ known: 0 });
    expect(readAudit(answer(3))).toEqual({ known: 3 });
  });

  it.each([
    [
      JSON.stringify({ message: '405 Method Not Allowed - POST https://registry.example/-/npm/v1', statusCode: 405 }),
      '405 Method Not Allowed - POST the registry',
    ],
    [JSON.stringify({ error: { code: 'ENOLOCK', summary: 'no lock file' } }), 'no lock file'],
    ['', 'npm said nothing'],
  ])('or that it could not be asked, which is not the same as none: %s', (text, notChecked) => {
    expect(readAudit(text)).toEqual({ notChecked });
  });
});

it('deprecated packages stand in the lock file', () => {
  const packages = {
    '': {},
    'node_modules/good': { version: '1.0.0' },
    'node_modules/good/node_modules/@old/one': { version: '2.0.0', deprecated: 'use the new one' },
  };
  expect(deprecatedIn(JSON.stringify({ lockfileVersion: 3, packages }))).toEqual(['@old/one 2.0.0: use the new one']);
});

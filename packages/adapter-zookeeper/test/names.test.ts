import { expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import {
  childName,
  childPrefix,
  compareSequences,
  inOrder,
  isChildOf,
  nodeName,
  ownerOf,
  sequenceOf,
} from '../src/names.ts';

const exclusive = { mode: 'exclusive' } as const;

it('H86: every key has a node name of its own, of one path element that the server accepts', () => {
  const keys = [
    'a',
    'A',
    'a/b',
    'a%2Fb',
    'a%252Fb',
    '/',
    '.',
    '..',
    '...',
    '%2E',
    'a:b',
    'a%3Ab',
    '\u0000',
    '\u0001',
    '\u009f',
    ' ',
    '\u00e9',
    'e\u0301',
    '\ufff0',
    '\ue000',
    '🔒',
  ];
  const names = keys.map(nodeName);
  expect(new Set(names).size).toBe(keys.length);
  for (const name of names) expect(name).toMatch(/^[\w\-.!~*'():%]+$/);
  expect(names).not.toContain('.');
  expect(names).not.toContain('..');
  expect(nodeName('invoice:42')).toBe('invoice:42');
});

it('H4: owners that begin with one another have nodes of their own', () => {
  const child = `${childName('ab', exclusive)}0000000001`;
  expect(isChildOf(childPrefix('ab'), child)).toBe(true);
  expect(isChildOf(childPrefix('a'), child)).toBe(false);
  expect(isChildOf(childPrefix('ab-lock-0000000001'), child)).toBe(false);
  expect(ownerOf(`${childName('x/y-lock-1', exclusive)}-2147483648`)).toBe('x/y-lock-1');
  expect(ownerOf('somebody-elses-0000000001')).toBe('somebody-elses-0000000001');
});

it('H72: numbers are compared over the wrap-around', () => {
  const numbers = [2147483646, 2147483647, -2147483648, -2147483647, -1, 0, 1];
  for (let i = 1; i < numbers.length; i++) expect(compareSequences(numbers[i - 1]!, numbers[i]!)).toBeLessThan(0);
  const names = ['2147483646', '2147483647', '-2147483648', '-2147483647'].map(
    (number) => childName('o', exclusive) + number,
  );
  expect(inOrder([...names].reverse())).toEqual(names);
  expect(names.map(sequenceOf)).toEqual(numbers.slice(0, 4));
  expect(sequenceOf('_c_o-lock--000000001')).toBe(-1);
  expect(sequenceOf('colour')).toBeUndefined();
  expect(inOrder([...names, 'colour'])).toBeUndefined();
  for (const child of ['', '0', '-', '_c_o-lock-', '_c_o-lock-000000001', '_c_o-lock-00000 0001', '١'.repeat(10)])
    expect(sequenceOf(child), child).toBeUndefined();
  // Names of other programs, with a number that our server gives once: all clients see the same order.
  expect(inOrder(['b0000000001', 'a0000000001'])).toEqual(inOrder(['a0000000001', 'b0000000001']));
});

it.each([
  { servers: '' },
  { servers: 'host:0' },
  { servers: 'host:99999' },
  { servers: 'a,,b' },
  { servers: 'host:1:2' },
  { servers: 'h', sessionTimeoutMs: 0 },
  { servers: 'h', sessionTimeoutMs: Number.NaN },
  { servers: 'h', prefix: '' },
  { servers: 'h', prefix: 'locks' },
  { servers: 'h', chroot: '/a//b' },
  { servers: 'h', chroot: '/a/../b' },
  { servers: 'h', acl: [] },
  { servers: 'h', acl: [{ permissions: 0, scheme: 'world', id: 'anyone' }] },
  { servers: 'h', auth: { scheme: 'digest' } },
  { servers: 'h', auth: { scheme: '', credentials: 'secret' } },
  { servers: 'h', sessionTimeout: 5 },
])('H8: bad options are refused before anything is sent: %j', (options) => {
  expect(() => zookeeperAdapter(options as never)).toThrowError(
    expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', retryable: false }),
  );
});

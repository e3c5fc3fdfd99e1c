import type { Random } from '../../src/random.ts';
import { bytes, flag, frame, int, list, text } from '../../src/servers/zookeeper/jute.ts';
import { modes } from '../../src/servers/zookeeper/requests.ts';
import type { Tree } from '../../src/servers/zookeeper/tree.ts';

/** A request that was sent, and how its answer is to be read. */
export interface Sent {
  readonly xid: number;
  readonly kind: string;
  readonly what: string;
  readonly frame: Buffer;
}

const request = (xid: number, kind: string, type: number, what: string, ...body: Buffer[]): Sent => ({
  xid,
  kind,
  what: `${kind} ${what}`,
  frame: frame(int(xid), int(type), ...body),
});

const parents = ['/locks', '/locks', '/app'];
const owners = ['ann', 'ann', 'bob', 'a%20b'];

type Entry = readonly [permissions: number, scheme: string, id: string];

const open: readonly Entry[] = [[31, 'world', 'anyone']];

/** For the most part they permit everything, else too much would be refused. */
const acls: readonly (readonly Entry[])[] = [
  ...Array<readonly Entry[]>(12).fill(open),
  [[31, 'auth', '']],
  [[31, 'digest', 'ann:nobody']],
  [[1, 'world', 'anyone']],
  [[30, 'world', 'anyone']],
  [
    [31, 'auth', ''],
    [1, 'world', 'anyone'],
  ],
  [[31, 'nosuch', 'anyone']],
  [],
];

/** Draws one request, mostly for something that is there. */
export function drawRequest(random: Random, xid: number, tree: Tree): Sent {
  const kind = random.pick([
    ...(['contender', 'contender', 'contender', 'key', 'key', 'root', 'delete', 'delete', 'delete'] as const),
    ...([
      'exists',
      'getData',
      'getData',
      'getChildren',
      'getChildren',
      'multi',
      'multi',
      'multi',
      'ping',
      'setData',
      'setData',
    ] as const),
  ]);
  const parent = random.pick(parents);
  const key = `${parent}/k${random.int(1, 4)}`;
  switch (kind) {
    case 'contender':
      return drawContender(random, xid, random.chance(0.95) ? key : drawPath(random, tree));
    case 'key':
      return drawKey(random, xid, key);
    case 'root':
      return create(xid, 1, parent, modes.persistent, open, null);
    case 'delete': {
      const path = drawPath(random, tree);
      const version = random.pick([-1, -1, -1, -1, 0, 3]);
      return path === '/'
        ? request(xid, 'ping', 11, '')
        : request(xid, 'delete', 2, `${path} ${version}`, text(path), int(version));
    }
    case 'setData': {
      const path = drawPath(random, tree);
      if (path === '/') return ping();
      const version = random.pick([-1, -1, -1, 0, 1, 3]);
      const data = random.pick([null, Buffer.from('shared'), Buffer.from('x')]);
      return request(xid, 'setData', 5, `${path} ${data} ${version}`, text(path), bytes(data), int(version));
    }
    case 'exists':
      return exists(xid, drawPath(random, tree));
    case 'getData':
    case 'getChildren': {
      const path = drawPath(random, tree);
      const watch = random.chance(0.5);
      return request(xid, kind, kind === 'getData' ? 4 : 12, `${path} ${watch}`, text(path), flag(watch));
    }
    case 'multi':
      return drawTransaction(random, xid, tree);
    case 'ping':
      return ping();
  }
}

export const exists = (xid: number, path: string): Sent => request(xid, 'exists', 3, path, text(path), flag(false));

/** Answered after everything before it, and by a number of its own. */
export const ping = (): Sent => request(-2, 'ping', 11, '');

export const closeSession = (xid: number): Sent => request(xid, 'closeSession', -11, '');

export const authenticate = (scheme: string, credentials: string): Sent =>
  request(-4, 'auth', 100, scheme, int(0), text(scheme), bytes(Buffer.from(credentials)));

const drawAcl = (random: Random): readonly Entry[] => random.pick(acls);

/** Of a node that there is, or was, or never was. */
function drawPath(random: Random, tree: Tree): string {
  if (random.chance(0.1)) return random.pick(['/', '/none', '/locks/none', '/locks/k1/_c_ann-lock-0000000001']);
  const known = [...tree.nodes.keys()];
  // Those at the end are contenders, mostly.
  return random.chance(0.6) ? known.at(-random.int(1, Math.min(8, known.length)))! : random.pick(known);
}

function drawContender(random: Random, xid: number, parent: string): Sent {
  const path = `${parent === '/' ? '' : parent}/_c_${random.pick(owners)}-lock-`;
  return create(xid, random.chance(0.8) ? 15 : 1, path, modes.ephemeralSequential, drawAcl(random), drawData(random));
}

function drawKey(random: Random, xid: number, path: string): Sent {
  const acl = random.chance(0.3) ? drawAcl(random) : open;
  if (random.chance(0.3)) return create(xid, 1, path, modes.persistent, acl, null);
  return create(xid, 19, path, modes.container, acl, null);
}

const drawData = (random: Random): Buffer | null => (random.chance(0.9) ? null : Buffer.alloc(random.int(0, 3), 'x'));

function create(
  xid: number,
  type: number,
  path: string,
  mode: number,
  acl: readonly Entry[],
  data: Buffer | null,
): Sent {
  const kind = type === 1 ? 'create' : 'createWithStat';
  const what = `${path} ${mode} ${acl.flat().join(' ')}`;
  return request(xid, kind, type, what, text(path), bytes(data), list(entries(acl)), int(mode));
}

const entries = (acl: readonly Entry[]): Buffer[] =>
  acl.map(([permissions, scheme, id]) => Buffer.concat([int(permissions), text(scheme), text(id)]));

/** Mostly one check, as the adapter sends it; else some operations of which one node is often meant by several. */
function drawTransaction(random: Random, xid: number, tree: Tree): Sent {
  const count = random.chance(0.3) ? 1 : random.int(1, 5);
  const some = [drawPath(random, tree), `/app/d${random.int(1, 3)}`, random.chance(0.5) ? '/' : drawPath(random, tree)];
  const operations = Array.from({ length: count }, () => drawPart(random, random.pick(some)));
  const parts = operations.flatMap(({ type, body }) => [int(type), flag(false), int(-1), ...body]);
  const what = operations.map((one) => one.what).join(', ');
  return request(xid, 'multi', 14, what, ...parts, int(-1), flag(true), int(-1));
}

function drawPart(random: Random, path: string): { type: number; what: string; body: Buffer[] } {
  const version = random.pick([-1, -1, -1, 0, 1, 2]);
  const kind = random.pick(['check', 'check', 'create', 'setData', 'setData', 'delete'] as const);
  const what = `${kind} ${path} ${version}`;
  if (kind === 'check' || path === '/') return { type: 13, what, body: [text(path), int(version)] };
  if (kind === 'delete') return { type: 2, what, body: [text(path), int(version)] };
  const data = random.pick([null, Buffer.from('shared'), Buffer.from('x')]);
  if (kind === 'setData') return { type: 5, what, body: [text(path), bytes(data), int(version)] };
  const acl = random.chance(0.2) ? drawAcl(random) : open;
  const mode = random.pick([modes.persistent, modes.persistent, modes.ephemeralSequential]);
  return {
    type: 1,
    what: `create ${path} ${mode} ${acl.flat().join(' ')}`,
    body: [text(path), bytes(data), list(entries(acl)), int(mode)],
  };
}

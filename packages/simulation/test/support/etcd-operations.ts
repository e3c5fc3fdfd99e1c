import { Buffer } from 'node:buffer';
import type { Claim } from '@holdfast/lock-core';
import type { Etcd3 } from 'etcd3';
import { keyLayout } from '../../../adapter-etcd/src/key-layout.ts';
import * as versions from '../../../adapter-etcd/src/key-versions.ts';
import { keysPage } from '../../../adapter-etcd/src/list.ts';
import * as requests from '../../../adapter-etcd/src/requests.ts';
import type { Random } from '../../src/random.ts';
import type { Stored } from '../../src/servers/etcd/store.ts';

/** One request, by the name of its method. */
export interface Operation {
  readonly method: 'Range' | 'Txn' | 'Put' | 'DeleteRange';
  readonly request: object;
  /** Whether the order of equal keys is etcd's own business. */
  readonly isUnordered?: boolean;
}

/** What there is to draw from: the keys as they are, and the leases that exist. */
export interface Drawing {
  readonly random: Random;
  readonly keys: readonly Stored[];
  readonly leases: readonly string[];
  readonly revision: number;
}

const { range, key } = keyLayout('locks/');
const locks = ['k1', 'k2', 'a/b'];
const owners = ['ann', 'bob', 'cid', 'dan', 'eve'];
const claims: readonly Claim[] = [{ mode: 'exclusive' }, { mode: 'shared' }, { mode: 'permits', permits: 2, limit: 3 }];

/** What the shipped code sends, caught before it goes out. */
function caught(send: (client: Etcd3) => Promise<unknown>): Operation {
  let operation: Operation | undefined;
  const never = new Promise<never>(() => {});
  const catching = (method: Operation['method']) => (request: object) => {
    operation = { method, request };
    return never;
  };
  void send({ kv: { txn: catching('Txn'), range: catching('Range') } } as unknown as Etcd3);
  return operation!;
}

function drawPlace({ random, leases }: Drawing): requests.PutRequest & { readonly stored: Buffer } {
  const name = random.pick(locks);
  const owner = Buffer.from(key(name, random.pick(owners)));
  const leaseId = random.chance(0.01) ? '77' : random.pick(leases);
  return {
    range: range(name),
    key: owner,
    leaseId,
    ttlMs: random.pick([1_000, 30_000]),
    claim: random.pick(claims),
    stored: owner,
  };
}

/** A create revision that is mostly right. */
function drawToken({ random, keys, revision }: Drawing, of: Buffer): string {
  const stored = keys.find((one) => one.key.equals(of));
  if (stored !== undefined && random.chance(0.8)) return String(stored.created);
  return String(random.int(1, revision + 2));
}

/** A request that the shipped adapter sends. */
export function drawShipped(drawing: Drawing): Operation {
  const { random, keys } = drawing;
  const place = drawPlace(drawing);
  const token = drawToken(drawing, place.key);
  const seen = (): versions.KeyVersion[] =>
    Array.from({ length: random.int(1, 4) }, () => {
      const one = drawPlace(drawing).key;
      return { key: one, token: drawToken(drawing, one) };
    });
  const draws: (() => Operation)[] = [
    () => caught((client) => requests.takeIfFree(client, {}, place)),
    () => {
      const seen = String(random.chance(0.7) ? drawing.revision : random.int(1, drawing.revision));
      return caught((client) => requests.takeIfFree(client, {}, place, seen));
    },
    () => ({ method: 'Txn', request: requests.takePlace(place).txn }),
    () => ({ method: 'Txn', request: requests.takePlace(place).txn }),
    () => ({ method: 'Txn', request: requests.freeHeld(place, token, random.chance(0.5)).txn }),
    () => caught((client) => requests.lookUp(client, {}, place, token, place.claim)),
    () => {
      const stored = keys.find((one) => one.key.equals(place.key));
      const revision = String(random.chance(0.8) ? (stored?.modified ?? 1) : random.int(1, drawing.revision));
      return caught((client) => requests.moveToLease(client, {}, place, { token, revision }));
    },
    () => caught((client) => requests.giveUp(client, {}, place, token, place.claim)),
    () => caught((client) => requests.find(client, {}, place.key)),
    () => caught((client) => requests.findOldest(client, {}, place.range, random.pick([0, 1]))),
    () => caught((client) => versions.checkPresence(client, {}, seen())),
    () => caught((client) => versions.deleteVersions(client, {}, seen().slice(0, 2))),
    () =>
      caught((client) =>
        versions.findRevisions(
          client,
          {},
          seen().map((one) => one.key),
        ),
      ),
    () => caught((client) => versions.deleteSeen(client, {}, { key: place.key, token })),
    () => caught((client) => keysPage(client, {}, 'locks/', random.chance(0.5) ? undefined : place.key.toString())),
    () => drawTogether(drawing),
  ];
  return random.pick(draws)();
}

/** Several parts in one transaction, as the adapter's batch sends them. */
function drawTogether(drawing: Drawing): Operation {
  const { random } = drawing;
  const parts = Array.from({ length: random.int(2, 4) }, () => {
    const place = drawPlace(drawing);
    if (random.chance(0.5)) return requests.freeHeld(place, drawToken(drawing, place.key), random.chance(0.5));
    return requests.takePlace(place);
  });
  const claimed = new Set<string>();
  const apart = parts.filter((part) => {
    const claims = part.claims();
    if (claims.some((claim) => claimed.has(claim))) return false;
    for (const claim of claims) claimed.add(claim);
    return true;
  });
  const ordered = [...apart.filter(({ frees }) => frees), ...apart.filter(({ frees }) => !frees)];
  return { method: 'Txn', request: { success: ordered.map(({ txn }) => ({ request_txn: txn })) } };
}

const drawKey = (random: Random): Buffer => Buffer.from(random.pick(['x/1', 'x/2', 'x/3', 'x/4', 'y', 'locks/k1/ann']));

function drawInterval(random: Random): { key: Buffer; range_end?: Buffer } {
  if (random.chance(0.5)) return { key: drawKey(random) };
  return random.pick([
    { key: Buffer.from('x/'), range_end: Buffer.from('x0') },
    { key: Buffer.from('x/2'), range_end: Buffer.from('x/4') },
    { key: Buffer.from('locks/'), range_end: Buffer.from('locks0') },
    { key: Buffer.from('x/2'), range_end: Buffer.from([0]) },
    { key: Buffer.from('x/3'), range_end: Buffer.from('x/1') },
  ]);
}

function drawRange({ random, revision }: Drawing): { request: object; isUnordered: boolean } {
  const target = random.pick(['Key', 'Key', 'Version', 'Create', 'Mod', 'Value']);
  const bound = (name: string) => (random.chance(0.15) ? { [name]: random.int(1, revision) } : {});
  const isUnordered = target !== 'Key';
  const request = {
    ...drawInterval(random),
    sort_target: target,
    sort_order: random.pick(['None', 'Ascend', 'Descend']),
    ...(isUnordered ? {} : { limit: random.pick([0, 0, 1, 2, 3]) }),
    keys_only: random.chance(0.3),
    count_only: random.chance(0.1),
    ...bound('min_mod_revision'),
    ...bound('max_mod_revision'),
    ...bound('min_create_revision'),
    ...bound('max_create_revision'),
  };
  return { request, isUnordered };
}

function drawCompare({ random, revision, keys }: Drawing): object {
  const near = (): number => (random.chance(0.3) ? 0 : random.int(Math.max(0, revision - 30), revision + 1));
  const known = random.chance(0.5) ? keys.find((one) => one.key.toString().startsWith('x/')) : undefined;
  const target = random.pick(['Version', 'Create', 'Mod', 'Value']);
  const operand = {
    Version: { version: random.int(0, 3) },
    Create: { create_revision: known?.created ?? near() },
    Mod: { mod_revision: known?.modified ?? near() },
    Value: { value: Buffer.from(random.pick(['', 'a', 'b'])) },
  }[target];
  return {
    ...(known ? { key: known.key } : drawInterval(random)),
    target,
    result: random.pick(['Equal', 'Greater', 'Less', 'NotEqual']),
    ...operand,
  };
}

function drawPut({ random, leases }: Drawing): object {
  return {
    key: random.chance(0.02) ? Buffer.alloc(0) : drawKey(random),
    value: Buffer.from(random.pick(['a', 'b', 'c'])),
    lease: random.pick(['0', '0', random.pick(leases), random.chance(0.03) ? '78' : '0']),
  };
}

function drawTxn(drawing: Drawing, depth: number): object {
  const { random } = drawing;
  const ops = (): object[] =>
    Array.from({ length: random.chance(0.01) ? 129 : random.int(0, 3) }, () => {
      const kind = random.next();
      if (kind < 0.3) return { request_put: drawPut(drawing) };
      if (kind < 0.5) return { request_delete_range: drawInterval(random) };
      if (kind < 0.75 || depth > 1)
        return { request_range: { ...drawInterval(random), keys_only: random.chance(0.5) } };
      return { request_txn: drawTxn(drawing, depth + 1) };
    });
  return {
    compare: Array.from({ length: random.int(0, 2) }, () => drawCompare(drawing)),
    success: ops(),
    failure: ops(),
  };
}

/** Any request of the kinds that the adapter uses, with everything that it might say. */
export function drawAny(drawing: Drawing): Operation {
  const { random, revision } = drawing;
  const kind = random.next();
  if (kind < 0.35) {
    const { request, isUnordered } = drawRange(drawing);
    return { method: 'Range', request, isUnordered };
  }
  if (kind < 0.4) {
    const at = random.pick([revision, revision - 1, revision - 20, 1, 1_000_000_000]);
    return { method: 'Range', request: { ...drawInterval(random), revision: Math.max(1, at) } };
  }
  if (kind < 0.55) return { method: 'Put', request: drawPut(drawing) };
  if (kind < 0.65) return { method: 'DeleteRange', request: drawInterval(random) };
  return { method: 'Txn', request: drawTxn(drawing, 0) };
}

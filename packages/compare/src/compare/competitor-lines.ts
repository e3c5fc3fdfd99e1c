import type { Machine } from '../machine.ts';
import type { Rival } from '../report/schema.ts';
import type { RivalName, SubjectSpec } from '../subjects/subject.ts';

/** One library with one setting on one Node. */
export interface RivalLine extends Pick<Rival, 'name' | 'isHoldfast' | 'isRaw' | 'delays' | 'client' | 'servers'> {
  readonly key: string;
  readonly spec: SubjectSpec;
  /** The key of the raw calls that its ratios are to. */
  readonly base: string;
  readonly execPath: string | undefined;
  /** Several may hold the key at once: readers, or those with permits. */
  readonly severalHold?: boolean;
}

/** How many permits the semaphores have. */
const limit = 10;

const delays: Readonly<Record<RivalName, string>> = {
  'redis-semaphore': 'default: asks every 10 ms, gives up after 10 s',
  redlock: 'default: asks every 200 ms ± 100 ms, gives up after 11 times',
  'redlock-universal': 'default: asks every 100 ms, gives up after 4 times',
  '@verrou/core': 'default: asks every 250 ms',
};
const tunedDelays = 'tuned: asks every 1 ms, never gives up';
const ours = 'default: told when the lock is free';

/** Everybody on one Redis through ioredis, first on this Node, then what needs a newer one with Holdfast and raw calls beside it. */
export function rivalLines(
  port: number,
  versions: Machine['clients'],
  newer: { readonly execPath: string; readonly version: string } | undefined,
): RivalLine[] {
  const on = (names: readonly RivalName[], execPath: string | undefined, node: string): RivalLine[] => {
    const base = `raw, Node ${node}`;
    const common = { client: `ioredis ${versions.ioredis}, Node ${node}`, servers: 1, base, execPath };
    const spec = { client: 'ioredis 6', port } as const;
    return [
      {
        ...common,
        ...{
          key: base,
          name: 'SET NX PX, EVALSHA',
          isHoldfast: false,
          isRaw: true,
          delays: 'raw calls; they do not wait',
        },
        spec: { kind: 'redis raw', ...spec },
      },
      ...[true, false].map((fencing) => ({
        ...common,
        ...{ key: `ours ${fencing}, Node ${node}`, name: fencing ? 'Holdfast' : 'Holdfast, fencing: false' },
        ...{ isHoldfast: true, isRaw: false, delays: ours },
        spec: { kind: 'redis', ...spec, fencing } as const,
      })),
      ...names.flatMap((library) =>
        [false, true].map((tuned) => ({
          ...common,
          ...{ key: `${library} ${tuned}, Node ${node}`, name: `${library} ${versions[library]}` },
          ...{ isHoldfast: false, isRaw: false, delays: tuned ? tunedDelays : delays[library] },
          spec: { kind: 'rival', library, tuned, port } as const,
        })),
      ),
    ];
  };
  return [
    ...on(['redis-semaphore', 'redlock', '@verrou/core'], undefined, process.version),
    ...modeLines(port, versions),
    ...(newer === undefined ? [] : on(['redlock-universal'], newer.execPath, newer.version)),
  ];
}

/** Strict order, semaphores (compared with redis-semaphore), and shared locks, which no competitor has. */
function modeLines(port: number, versions: Machine['clients']): RivalLine[] {
  const base = `raw, Node ${process.version}`;
  const common = {
    ...{ client: `ioredis ${versions.ioredis}, Node ${process.version}`, servers: 1, base, execPath: undefined },
    ...{ isHoldfast: true, isRaw: false, delays: ours },
  };
  const redis = { kind: 'redis', client: 'ioredis 6', port, fencing: true } as const;
  return [
    { ...common, key: 'ours, strict', name: 'Holdfast, strict order', spec: { ...redis, strict: true } },
    {
      ...common,
      ...{ key: 'ours, permits', name: `Holdfast, semaphore of ${limit}`, severalHold: true },
      spec: { kind: 'redis permits', port, limit },
    },
    {
      ...common,
      ...{
        key: 'redis-semaphore, permits',
        name: `redis-semaphore ${versions['redis-semaphore']}, semaphore of ${limit}`,
      },
      ...{ isHoldfast: false, delays: 'default: asks every 10 ms; does not give up', severalHold: true },
      spec: { kind: 'redis-semaphore permits', port, limit },
    },
    {
      ...common,
      ...{ key: 'ours, shared', name: 'Holdfast, shared locks; of the waiters half are writers', severalHold: true },
      spec: { kind: 'redis shared', port },
    },
  ];
}

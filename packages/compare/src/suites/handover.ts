import { startRedis } from '@holdfast/testbed';
import { column, interleave, type Rounds } from '../rounds.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { ratios, spread } from '../stats.ts';
import { type SubjectProcess, startSubjects } from '../subject-processes.ts';
import type { Mix, SubjectSpec } from '../subjects/subject.ts';
import type { Suite, Target } from '../suite.ts';
import {
  calls,
  exclusionFailures,
  handovers,
  heldShare,
  jain,
  leastShare,
  measureTurnsOf,
  type TurnRound,
  turnTable,
  waiters,
  waitSpread,
} from './turns.ts';

const lockClients = ['ioredis 6', 'node-redis 6'] as const;
const [handoff, strictly, earlier] = ['handoff', 'ioredis 6, strict order', 'ioredis 6, before'];
const groups = [1, 2, 4];
const holdMs = 1;
const mixes: readonly Mix[] = ['no renewal', 'two TTLs', 'shared and exclusive'];
/** How many times the hand-overs of the handoff, by the number of processes. */
const limits: Readonly<Record<number, number>> = { 1: 20, 2: 6, 4: 2 };
const strictLimit = 0.8;
const heldLimits: Readonly<Record<number, number>> = { 1: 0.98, 2: 0.97, 4: 0.96 };

/** One measurement: who, in how many processes, how long each keeps the key, and how the waiters differ. */
interface Line {
  readonly name: string;
  readonly kind: string;
  readonly processes: number;
  readonly holdMs: number;
  readonly mix?: Mix;
}

const atOnce = (kind: string, processes: number): Line => ({
  name: `${kind}, ${processes} process${processes > 1 ? 'es' : ''}`,
  kind,
  processes,
  holdMs: 0,
});
const held = (kind: string, processes: number, mix?: Mix): Line => {
  const line = atOnce(kind, processes);
  const name = `${line.name}, hold ${holdMs} ms${mix === undefined ? '' : `, ${mix}`}`;
  return { ...line, name, holdMs, ...(mix && { mix }) };
};
const mixed = mixes.flatMap((mix) => [2, 4].map((processes) => held('ioredis 6', processes, mix)));

/** Redis: a lock that everybody wants, against a token that is passed on through a list. */
export const handover: Suite = {
  title: `Redis, one lock that all want: hand-overs against a one-round-trip handoff (BLPOP, LPUSH; ${waiters} connections, no TTL)`,
  async run({ rounds, quick, before }, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const { port } = server;
    const redis = { kind: 'redis', client: 'ioredis 6', port, fencing: true } as const;
    const specs: Record<string, SubjectSpec> = {
      [handoff]: { kind: 'handoff', port },
      'ioredis 6': redis,
      'node-redis 6': { ...redis, client: 'node-redis 6' },
      [strictly]: { ...redis, strict: true },
      ...(before !== undefined && { [earlier]: { ...redis, before } }),
    };
    const kinds = Object.keys(specs);
    progress('starting');
    const nameOf = (kind: string, index: number): string => `${kind} ${index}`;
    const most = Array.from({ length: Math.max(...groups) }, (_, i) => i);
    await using subjects = await startSubjects(
      Object.fromEntries(kinds.flatMap((kind) => most.map((i) => [nameOf(kind, i), specs[kind]!] as const))),
    );
    const forMs = quick ? 500 : 1_500;
    let slices = 0;
    const measure = async ({ kind, processes, holdMs, mix }: Line): Promise<TurnRound> => {
      slices += 1;
      const key = `handover-${slices}`;
      if (kind === handoff) await server.command('LPUSH', key, 'token');
      const them = Array.from({ length: processes }, (_, i): SubjectProcess => subjects.get(nameOf(kind, i))!);
      return measureTurnsOf(them, { key, forMs, holdMs, mix, counters: () => redisCounters(server) });
    };
    const lines = [
      ...kinds.flatMap((kind) => groups.map((processes) => atOnce(kind, processes))),
      ...lockClients.flatMap((kind) => groups.map((processes) => held(kind, processes))),
      ...mixed,
    ];
    const lineOf = new Map(lines.map((line) => [line.name, line]));
    const names = [...lineOf.keys()];
    const take = (name: string): Promise<TurnRound> => measure(lineOf.get(name)!);
    await interleave(names, 1, (text) => progress(`warming up, ${text}`), take);
    const figures = await interleave(names, rounds ?? (quick ? 3 : 9), progress, take);
    return {
      server: await redisVersion(server),
      tables: [
        turnTable(
          figures,
          groups.flatMap((processes) =>
            kinds.map((kind) => ({
              name: atOnce(kind, processes).name,
              base: atOnce(handoff, processes).name,
              strict: atOnce(strictly, processes).name,
            })),
          ),
          'the handoff',
        ),
        turnTable(
          figures,
          [...groups.flatMap((processes) => lockClients.map((kind) => held(kind, processes))), ...mixed].map(
            ({ name }) => ({ name, base: name }),
          ),
          undefined,
          `${waiters} waiters for one key, hold ${holdMs} ms`,
        ),
      ],
      targets: [
        ...lockClients.flatMap((client) => targetsOf(figures, client)),
        ...strictTargets(figures),
        ...mixed.map((line) => target(figures, line, shareText, leastShare, 0.5)),
        ...(before === undefined ? [] : groups.map((processes) => beforeTarget(figures, processes))),
      ],
      // Readers hold it together.
      failures: exclusionFailures(new Map([...figures].filter(([name]) => !name.endsWith('shared and exclusive')))),
      rounds: Object.fromEntries(figures),
    };
  },
};

const shareText = 'turns of the process with fewest / an equal share';

function target(
  figures: Rounds<TurnRound>,
  { name }: Line,
  what: string,
  pick: (round: TurnRound) => number,
  limit: number,
  better: Target['better'] = 'more',
): Target {
  return { what: `${name}: ${what}`, value: spread(column(figures, name, pick)), limit, better, unit: '' };
}

/** The hand-overs of one, against those of another in the same round. */
function ratioTarget(figures: Rounds<TurnRound>, line: Line, base: Line, title: string, limit: number): Target {
  const value = spread(ratios(column(figures, line.name, handovers), column(figures, base.name, handovers)));
  return { what: `${line.name}: hand-overs / ${title}`, value, limit, better: 'more', unit: '' };
}

function waitTarget(figures: Rounds<TurnRound>, { name }: Line, strict: string = name): Target {
  const value = spread(waitSpread(figures, name, strict));
  return { what: `${name}: longest wait / wait in a strict queue`, value, limit: 3, better: 'less', unit: '' };
}

function targetsOf(figures: Rounds<TurnRound>, client: string): Target[] {
  return groups.flatMap((processes) => {
    const [now, long] = [atOnce(client, processes), held(client, processes)];
    return [
      ratioTarget(figures, now, atOnce(handoff, processes), handoff, limits[processes]!),
      waitTarget(figures, now, atOnce(strictly, processes).name),
      target(figures, now, 'calls of clients for each turn', calls, 3, 'less'),
      waitTarget(figures, long),
      target(figures, long, "Jain's index", jain, 0.9),
      target(figures, long, 'part of the time in which the key is held', heldShare, heldLimits[processes]!),
      ...(processes === 1 ? [] : [target(figures, long, shareText, leastShare, 0.9)]),
    ];
  });
}

function strictTargets(figures: Rounds<TurnRound>): Target[] {
  return groups.flatMap((processes) => {
    const line = atOnce(strictly, processes);
    return [
      ...(processes === 1 ? [] : [ratioTarget(figures, line, atOnce(handoff, processes), handoff, strictLimit)]),
      target(figures, line, 'calls of clients for each turn', calls, 3, 'less'),
      target(figures, line, "Jain's index", jain, 0.99),
      waitTarget(figures, line),
    ];
  });
}

const beforeTarget = (figures: Rounds<TurnRound>, processes: number): Target =>
  ratioTarget(figures, atOnce('ioredis 6', processes), atOnce(earlier, processes), 'before', 0.97);

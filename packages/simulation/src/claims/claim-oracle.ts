import type { Machine } from '../engine/machine.ts';
import type { Failure } from '../run/held.ts';
import type { ClaimStep, SimulatedClaim } from '../schedule/types.ts';

/** One request of a simulated process, from its call to the answer to its release. */
export interface ClaimTask {
  readonly step: ClaimStep;
  readonly machine: Machine;
  owner: string;
  /** By the clock of its process, and in virtual time. */
  calledAt: number;
  askedAt: number;
  claim: SimulatedClaim;
  phase: 'asking' | 'queued' | 'held' | 'leaving' | 'over';
  /** When its place was confirmed, in virtual time. */
  queuedAt?: number;
  /** When it was granted, in virtual time. */
  grantedAt: number | undefined;
  token: bigint | undefined;
  /** The last of its block. */
  lastToken?: bigint;
  /** Until when its process believes that it holds, by its own clock. */
  deadline: number;
  /** When somebody began to force it out, and when that one was told that it is done. */
  /** Requests without an answer so far: what is granted to them is its own as well. */
  asking: number;
  forcing: boolean;
  forcedAt: number | undefined;
  /** Since when nothing else has been in its way. */
  freeSince: number | undefined;
}

export interface ClaimOracle {
  readonly failures: readonly Failure[];
  readonly tasks: ClaimTask[];
  fail(rule: Failure['rule'], message: string): void;
  granted(task: ClaimTask, token: bigint | undefined, tokens: number): void;
  /** It was not refused, though it may be for another use of the key. */
  busy(task: ClaimTask): void;
  /** Looks at all who believe that they hold, at this moment. */
  sample(): void;
  /** Looks for waiters with nobody in their way. */
  look(limitMs: number): void;
}

const nameOf = ({ step: { id }, machine, claim }: ClaimTask): string =>
  `#${id} in ${machine.name} (${describe(claim)})`;

/** A claim in words. */
export const describe = (claim: SimulatedClaim): string =>
  claim.mode === 'permits' ? `${claim.permits} of ${claim.limit} permits` : claim.mode;

/** Whether these claims may be held together. */
function goTogether(claims: readonly SimulatedClaim[]): boolean {
  if (claims.length < 2) return true;
  const [first] = claims;
  if (claims.every(({ mode }) => mode === 'shared')) return true;
  let sum = 0;
  for (const claim of claims) {
    if (claim.mode !== 'permits' || first?.mode !== 'permits' || claim.limit !== first.limit) return false;
    sum += claim.permits;
  }
  return first?.mode === 'permits' && sum <= first.limit;
}

/** Two ways to use one key. */
const differ = (a: SimulatedClaim, b: SimulatedClaim): boolean =>
  (a.mode === 'permits' ? a.limit : 0) !== (b.mode === 'permits' ? b.limit : 0);

/** Whether the tokens say that `later` was granted first. A shared grant carries the last token that was given before it. */
function overtook(later: ClaimTask, first: ClaimTask): boolean {
  if (later.token === undefined || first.token === undefined) return false;
  const [isShared, wasShared] = [later, first].map(({ step }) => step.claim.mode === 'shared');
  if (isShared && wasShared) return false;
  return wasShared ? later.token <= first.token : later.token < first.token;
}

/**
 * `isCalm`: nothing goes wrong for which a live waiter could lose its place. `seesAll`: who asks for a key that is in use in another way is
 * always told so.
 */
export function createClaimOracle(
  now: () => number,
  note: (who: string, what: string) => void,
  isCalm = false,
  seesAll = true,
): ClaimOracle {
  const failures: Failure[] = [];
  const tasks: ClaimTask[] = [];
  const blocks: { readonly task: ClaimTask; readonly first: bigint; readonly last: bigint }[] = [];

  const fail: ClaimOracle['fail'] = (rule, message) => {
    failures.push({ rule, message, at: now() });
    note('oracle', `${rule}: ${message}`);
  };
  const believes = ({ phase, machine, deadline, forcing }: ClaimTask): boolean =>
    phase === 'held' && !forcing && machine.state === 'running' && machine.now() < deadline;
  /** Who has held the key in another way ever since the task asked. */
  const inOtherUse = (task: ClaimTask): ClaimTask | undefined =>
    beside(task).find(
      (one) => believes(one) && differ(one.step.claim, task.step.claim) && one.grantedAt! < task.askedAt,
    );
  const beside = (task: ClaimTask): ClaimTask[] =>
    tasks.filter((one) => one !== task && one.step.key === task.step.key);

  function checkTokens(task: ClaimTask, first: bigint, last: bigint): void {
    const again = blocks.find(
      (block) => block.task.step.key === task.step.key && first <= block.last && block.first <= last,
    );
    if (again !== undefined)
      fail(
        'wrong answer',
        `${nameOf(task)} has the tokens ${first} to ${last}, some of which ${nameOf(again.task)} has`,
      );
    blocks.push({ task, first, last });
  }

  /** Who asked for a key alone held it before all that are behind it in the queue, whatever became of the answers. */
  function checkOrder(task: ClaimTask): void {
    if (task.step.claim.mode !== 'exclusive') return;
    for (const other of beside(task)) {
      if (other.token === undefined || other.grantedAt === undefined || other.token < task.token!) continue;
      if (other.grantedAt < now() && !task.forcing)
        fail('out of turn', `${nameOf(other)} was granted before ${nameOf(task)}, which was before it`);
    }
  }

  /** Tokens of writers and permits rise, and those of readers lie between those of the writers before and after them. */
  function checkTokenOrder(task: ClaimTask): void {
    for (const other of beside(task)) {
      if (other.token === undefined || other.grantedAt! >= task.askedAt) continue;
      const [isShared, wasShared] = [task, other].map(({ step }) => step.claim.mode === 'shared');
      if (isShared && wasShared) continue;
      // Its holder may have passed the lock on, and got to the last one.
      const before = other.lastToken ?? other.token;
      if (isShared ? task.token! < before : task.token! <= before)
        fail(
          'wrong answer',
          `${nameOf(task)} has the token ${task.token}, and ${nameOf(other)} had up to ${before} before`,
        );
    }
  }

  /** Who has a place is granted before all who ask after that. */
  function checkTurns(task: ClaimTask): void {
    if (!isCalm) return;
    for (const other of beside(task)) {
      if (other.grantedAt === undefined) continue;
      for (const [first, later] of [
        [task, other],
        [other, task],
      ] as const) {
        if (first.queuedAt !== undefined && first.queuedAt < later.askedAt && overtook(later, first))
          fail('out of turn', `${nameOf(later)} was granted before ${nameOf(first)}, which waited for it already`);
      }
    }
  }

  return {
    failures,
    tasks,
    fail,
    granted(task, token, tokens) {
      if (token === undefined) return fail('wrong answer', `${nameOf(task)} has no token`);
      if (tokens > task.step.tokens) fail('wrong answer', `${nameOf(task)} has ${tokens} tokens and asked for fewer`);
      task.token = token;
      if (task.claim.mode !== 'shared') task.lastToken = token + BigInt(tokens) - 1n;
      task.grantedAt = now();
      task.phase = 'held';
      if (task.claim.mode !== 'shared') checkTokens(task, token, token + BigInt(tokens) - 1n);
      checkTokenOrder(task);
      checkOrder(task);
      checkTurns(task);
    },
    busy(task) {
      if (!seesAll) return;
      const other = inOtherUse(task);
      if (other !== undefined)
        fail('wrong answer', `${nameOf(task)} was not refused, while ${nameOf(other)} holds the key`);
    },
    sample() {
      const held = tasks.filter(believes);
      for (const key of new Set(held.map(({ step }) => step.key))) {
        const ofKey = held.filter(({ step }) => step.key === key);
        if (!goTogether(ofKey.map(({ claim }) => claim)))
          fail('two holders', `${key} is held by ${ofKey.map(nameOf).join(' and by ')}`);
      }
    },
    look(limitMs) {
      for (const task of tasks) {
        const others = beside(task).filter(({ phase }) => phase !== 'over');
        const isFree = goTogether([task, ...others].map(({ claim }) => claim));
        if (task.phase !== 'queued' || task.machine.state !== 'running' || !isFree) task.freeSince = undefined;
        else task.freeSince ??= now();
        if (task.phase === 'queued' && now() - task.askedAt > limitMs) this.busy(task);
        const waitedMs = now() - (task.freeSince ?? now());
        if (waitedMs > limitMs)
          fail(
            'waits while the key is free',
            `${nameOf(task)} has waited for ${Math.round(waitedMs)} ms with nobody in its way`,
          );
      }
    },
  };
}

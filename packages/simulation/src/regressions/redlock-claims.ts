import { patch, type Regression } from './regression.ts';

const fault = (name: string, ...patches: [string, string, string][]): Regression => ({
  name: `Redlock: ${name}`,
  backends: ['redlock'],
  patches: patches.map(([file, find, replace]) => patch(`adapter-redlock/${file}`, find, replace)),
  inClaims: true,
});

/** Faults of shared locks and permits by quorum. */
export const redlockClaimRegressions: readonly Regression[] = [
  fault(
    'permits need one vote fewer than is sound',
    [
      'protocol/quorum-size.ts',
      'nodes - Math.ceil(nodes / (limit + 1)) + 1',
      'Math.max(1, nodes - Math.ceil(nodes / (limit + 1)))',
    ],
    // The adapter itself would refuse all limits else.
    ['failures.ts', 'if (limit <= highest) return undefined;', 'if (limit > 0) return undefined;'],
  ),
  fault('a node votes for a reader beside a writer', [
    'lua/shared-votes.lua',
    'if not fits(claim, permits, limit) then',
    "if claim ~= 's' and not fits(claim, permits, limit) then",
  ]),
  fault('the release of permits that are over gives back those of another', [
    'lua/shared-votes.lua',
    'if not round or ofRound and round ~= first then return 0 end',
    `if not round and limitHeld then call('HSET', places, '#', used - 1) end
     if not round or ofRound and round ~= first then return 0 end`,
  ]),
  fault('a reader takes the lowest token that it sees', [
    'protocol/round.ts',
    'highestFirst[this.#yes - spare - 1] ?? 0',
    'highestFirst.at(-1) ?? 0',
  ]),
  fault('votes of a lost round stand', [
    'lua/shared-votes.lua',
    "if what == 'wait' then",
    "if what == 'round' then return 0 end\n  if what == 'wait' then",
  ]),
  fault('a mark outlives the writer that waited', [
    'lua/shared-votes.lua',
    'local markMs = 1500',
    'local markMs = 150000',
  ]),
];

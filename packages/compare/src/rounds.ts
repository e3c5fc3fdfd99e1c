import type { Progress } from './progress.ts';

/** What each subject measured, round by round. */
export type Rounds<F> = Map<string, F[]>;

/**
 * Lets the subjects take turns: A B C, B C A, … What disturbs the machine for a while then disturbs all of them, and a
 * ratio within a round is worth more than one between averages.
 */
export async function interleave<F>(
  names: readonly string[],
  rounds: number,
  progress: Progress,
  measure: (name: string, round: number) => Promise<F>,
): Promise<Rounds<F>> {
  const figures: Rounds<F> = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length]!;
      progress(`round ${round + 1} of ${rounds}: ${name}`);
      figures.get(name)!.push(await measure(name, round));
    }
  }
  return figures;
}

/** One figure of one subject in all rounds. */
export function column<F>(rounds: Rounds<F>, name: string, pick: (figures: F) => number): number[] {
  const figures = rounds.get(name);
  if (figures === undefined) throw new Error(`There is no subject ${name}.`);
  return figures.map(pick);
}

/** Where the job leaves its effects: a table, say. It takes nothing of a holder that another one has followed. */
export interface Ledger {
  /** The ticks whose effects are there, in the order in which they came. */
  readonly done: readonly number[];
  /** Effects that came too late. */
  readonly refused: readonly number[];
  /**
   * The ticks up to now that are still to be done. To ask is to register the token: from here on nothing of an earlier holder is
   * taken, so what is read stays true until this holder writes.
   */
  due(token: bigint, now: number): number[];
  /** Writes the effect of a tick. False when a later holder has registered. */
  write(tick: number, token: bigint): boolean;
}

export function openLedger(): Ledger {
  const done: number[] = [];
  const refused: number[] = [];
  let highest = 0n;
  return {
    done,
    refused,
    due(token, now) {
      if (token < highest) return [];
      highest = token;
      return Array.from({ length: now }, (_, i) => i + 1).filter((tick) => !done.includes(tick));
    },
    write(tick, token) {
      const taken = token >= highest;
      if (taken) highest = token;
      (taken ? done : refused).push(tick);
      return taken;
    },
  };
}

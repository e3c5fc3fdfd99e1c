/** What travels through a lane: bytes, or how the sender ended the connection. */
export type Cargo = Buffer | 'end' | 'reset';

/** The faults of one direction, shared by all connections of a proxy. */
export interface LaneFaults {
  mode: 'pass' | 'hold' | 'drop';
  delayMs: number;
}

/** One direction of one connection. */
export interface Lane {
  /** Takes cargo in; it comes out at once, later, or never. */
  push(cargo: Cargo): void;
  /** Lets out at once all that is held or delayed. */
  flush(): void;
  /** Forgets all that is held or delayed. */
  discard(): void;
}

/** Passes cargo on to `deliver` in order, as the faults of the moment of its arrival say; `lost` hears of what is dropped. */
export function createLane(faults: LaneFaults, deliver: (cargo: Cargo) => void, lost: () => void): Lane {
  // A queue: what is due waits for all that came before it, so a shortened delay overtakes nothing.
  const underway: { cargo: Cargo; dueAt: number }[] = [];
  let timer: NodeJS.Timeout | undefined;

  const deliverDue = (): void => {
    timer = undefined;
    while (underway.length > 0 && underway[0]!.dueAt <= performance.now()) deliver(underway.shift()!.cargo);
    const next = underway[0]?.dueAt ?? Infinity;
    if (next < Infinity) timer ??= setTimeout(deliverDue, Math.ceil(next - performance.now()));
  };

  return {
    push(cargo) {
      if (faults.mode === 'drop') return lost();
      const dueAt = faults.mode === 'hold' ? Infinity : performance.now() + faults.delayMs;
      underway.push({ cargo, dueAt });
      if (!timer) deliverDue();
    },
    flush() {
      for (const item of underway) item.dueAt = 0;
      clearTimeout(timer);
      deliverDue();
    },
    discard() {
      underway.length = 0;
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

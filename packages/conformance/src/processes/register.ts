/** What a lock guards: one number for each key. It compares fencing tokens, as the guarded resource should. */
export interface Register {
  read(key: string): number;
  /** Whether the write was accepted: not with a token below the highest that it has seen for the key. */
  write(key: string, value: number, fence: bigint | undefined): boolean;
}

/** An empty register; every key begins with 0. */
export function createRegister(): Register {
  const values = new Map<string, number>();
  const fences = new Map<string, bigint>();
  return {
    read: (key) => values.get(key) ?? 0,
    write(key, value, fence) {
      const highest = fences.get(key);
      if (fence !== undefined && highest !== undefined && fence < highest) return false;
      if (fence !== undefined) fences.set(key, fence);
      values.set(key, value);
      return true;
    },
  };
}

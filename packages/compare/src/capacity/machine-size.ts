import type { Machine } from '../machine.ts';

/** The number of cores, which stands before the name of the processor; 1 where it does not. */
export function cores({ cpu }: Pick<Machine, 'cpu'>): number {
  return Number(/^(\d+) x /.exec(cpu)?.[1] ?? 1);
}

/** From `15 GiB`; unlimited where it says something else. */
export function memoryBytes({ memory }: Pick<Machine, 'memory'>): number {
  const gibibytes = /^([\d.]+) GiB$/.exec(memory)?.[1];
  return gibibytes === undefined ? Number.POSITIVE_INFINITY : Number(gibibytes) * 2 ** 30;
}

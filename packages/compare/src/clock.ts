// Of many readings the closest pair, so that a process that is interrupted in between does not shift its clock.
const offsetMs = ((): number => {
  let [offset, gap] = [0, Number.POSITIVE_INFINITY];
  for (let i = 0; i < 200; i += 1) {
    const before = performance.now();
    const system = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before < gap) {
      gap = after - before;
      offset = system - (before + after) / 2;
    }
  }
  return offset;
})();

/** The monotonic clock of the machine in ms, the same one in every process. */
export function machineNow(): number {
  return performance.now() + offsetMs;
}

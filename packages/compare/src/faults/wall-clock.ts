// Imported before anything else, so that nobody keeps the real clock.
const RealDate = Date;
let shiftMs = 0;

/** Moves the wall clock of this process, as an administrator or a bad time server would; timers and the monotonic clock go on. */
export function jumpWallClock(ms: number): void {
  shiftMs += ms;
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: []) => (args.length === 0 ? new target(target.now() + shiftMs) : new target(...args)),
  get: (target, name) => (name === 'now' ? () => target.now() + shiftMs : Reflect.get(target, name)),
});

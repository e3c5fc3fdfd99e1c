import { cases } from './cases/index.ts';
import { badCapabilities, type Harness, type Hooks, type Timing } from './harness.ts';

const hookNames: Readonly<Record<keyof Hooks, true>> = {
  revoke: true,
  freeze: true,
  restart: true,
  advance: true,
  failover: true,
};

const timeNames: Readonly<Record<keyof Timing, true>> = {
  ttlMs: true,
  leaseMs: true,
  longTtlMs: true,
  graceMs: true,
  quietMs: true,
  pollMs: true,
};

/** Reports a mistake in the harness before the first case. @throws TypeError that says what to change */
export function checkHarness(harness: Harness): void {
  const { name, adapter, capabilities, timing = {}, hooks = {}, knownFailing = {}, servers, process: open } = harness;
  const complain = (what: string): never => {
    throw new TypeError(`The harness "${name}" ${what}`);
  };
  if (typeof name !== 'string' || name === '') throw new TypeError('The harness needs a name');
  if (typeof adapter !== 'function')
    complain('must have a function "adapter" that makes a new client each time it is called');
  const bad = badCapabilities(capabilities);
  if (bad.length > 0) complain(`must declare every capability; missing or illegal: ${bad.join(', ')}`);
  for (const [hook, value] of Object.entries(hooks)) {
    if (!Object.hasOwn(hookNames, hook))
      complain(`has a hook "${hook}", which nothing calls; there are ${Object.keys(hookNames).join(', ')}`);
    if (value !== undefined && typeof value !== 'function') complain(`has a hook "${hook}" that is not a function`);
  }
  for (const [member, value] of Object.entries({ servers, process: open }))
    if (value !== undefined && typeof value !== 'function') complain(`has a "${member}" that is not a function`);
  for (const [member, value] of Object.entries(timing)) {
    if (!Object.hasOwn(timeNames, member))
      complain(`has a timing "${member}", which nothing reads; there are ${Object.keys(timeNames).join(', ')}`);
    if (value !== undefined && !(Number.isFinite(value) && value >= 0))
      complain(`has a timing "${member}" that is not a number of ms`);
  }
  const unknown = Object.keys(knownFailing).filter((id) => !cases.some((testCase) => testCase.id === id));
  if (unknown.length > 0)
    throw new TypeError(`knownFailing of the harness "${name}" names no case: ${unknown.join(', ')}`);
}

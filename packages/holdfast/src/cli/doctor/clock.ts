import { shownDuration } from '../durations.ts';
import { at, type Finding, hint, type ServerReport } from './diagnosis.ts';

const clocksMayDifferMs = 2_000;

/** Servers whose clock differs from ours. Leases count elapsed time only, so it is no danger to them. */
export function clockFindings(servers: readonly ServerReport[]): Finding[] {
  return servers.flatMap(({ address, clockOffsetMs = 0, clockErrorMs = 0 }) => {
    const differenceMs = Math.abs(clockOffsetMs) - clockErrorMs;
    if (differenceMs < clocksMayDifferMs) return [];
    const side = clockOffsetMs > 0 ? 'ahead of' : 'behind';
    return at(address, [
      hint(
        `Its clock is ${shownDuration(Math.abs(clockOffsetMs))} ${side} the one here.`,
        'Leases do not mind, they count on clocks that never step; logs do not fit together, and jobs do not start at the same time.',
        'Let NTP set both.',
      ),
    ]);
  });
}

import { shownDuration } from '../durations.ts';
import { at, type Finding, hint, type ServerReport } from './diagnosis.ts';

const clocksMayDifferMs = 2_000;

/** Servers whose clock differs from ours. Leases count elapsed time only, so it does not affect them. */
export function clockFindings(servers: readonly ServerReport[]): Finding[] {
  return servers.flatMap(({ address, clockOffsetMs = 0, clockErrorMs = 0 }) => {
    const differenceMs = Math.abs(clockOffsetMs) - clockErrorMs;
    if (differenceMs < clocksMayDifferMs) return [];
    const side = clockOffsetMs > 0 ? 'ahead of' : 'behind';
    return at(address, [
      hint(
        `Its clock is ${shownDuration(Math.abs(clockOffsetMs))} ${side} the clock of this machine.`,
        'Leases are not affected, since they count elapsed time. But logs of the two machines do not match, and scheduled jobs start at different times.',
        'Synchronise both clocks with NTP.',
      ),
    ]);
  });
}

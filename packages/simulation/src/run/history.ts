import { checkHistory } from '@holdfast/conformance/history';
import type { Oracle } from './oracle.ts';

/** Judges the whole history with the checker of the conformance suite: exclusion and the order of fencing tokens. */
export function judgeHistory(oracle: Oracle): void {
  // Holds that were freed by force, or lost to a fault that no backend survives, end unseen.
  if (oracle.excuses.length > 0 || oracle.hasForced) return;
  const { verdict, violations } = checkHistory(oracle.events, { maxNodes: 100_000 });
  if (verdict !== 'invalid') return;
  for (const { message } of violations) oracle.fail('history', message);
}

import type { Step } from '../schedule/types.ts';
import type { ActorTerms } from './actor.ts';

const backendCodes = ['LOCK_BACKEND', 'LOCK_CLOSED'];

/** The calls that take no lock: inspect, list, and a release by force. */
export async function look({ process, locks, oracle, calls, note }: ActorTerms, step: Step): Promise<void> {
  const { machine } = process;
  const at = locks[step.locks]!;
  if (step.call === 'inspect') {
    const info = await calls.track(step, 'inspect', at.inspect(step.key), backendCodes);
    const shown = (_name: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
    if (info !== undefined) note(machine.name, `inspects ${step.key}: ${JSON.stringify(info, shown)}`);
    return;
  }
  if (step.call === 'list') {
    const all = async (): Promise<number> => {
      let count = 0;
      for await (const info of at.list()) count += info.key.length > 0 ? 1 : 0;
      return count;
    };
    await calls.track(step, 'list', all(), backendCodes);
    return;
  }
  const forced = oracle.forced(step.key, step.client);
  const freed = await calls.track(step, 'forceRelease', at.forceRelease(step.key), backendCodes);
  if (freed !== undefined) forced.returned();
  note(machine.name, `forced release of ${step.key}: ${String(freed)}`);
}

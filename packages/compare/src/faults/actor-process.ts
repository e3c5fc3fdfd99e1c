// The process of one who wants the lock: takes it, writes to the resource as long as it lives, whatever its signal says.

import { setTimeout as sleep } from 'node:timers/promises';
import { createRecorder } from '@holdfast/conformance/history';
import type { Lock } from '@holdfast/lock-core';
import { openLocks } from 'holdfast';
import { machineNow } from '../clock.ts';
import type { ActorCalls, ActorPlan, ActorReply, ActorRequest } from './actor-messages.ts';
import { jumpWallClock } from './wall-clock.ts';

const writeEveryMs = 25;
const askAgainMs = 20;

const plan = JSON.parse(process.argv[2]!) as ActorPlan;
const recorder = createRecorder({ file: plan.file, process: plan.label });
const opened = openLocks(plan.url);
let lock: Lock | undefined;
let released = false;

const calls: { readonly [C in keyof ActorCalls]: (argument: ActorCalls[C]) => Promise<unknown> } = {
  async open() {
    await opened;
  },
  async take() {
    const locks = recorder.locks(await opened);
    lock = await untilDone(() => locks.acquire(plan.key, { ttlMs: plan.ttlMs }));
    void writeOnAndOn(lock);
  },
  state: async () => lock?.state ?? 'none',
  async release() {
    released = true;
    await lock?.release();
  },
  async serviceBack() {
    const locks = await opened;
    const probe = await untilDone(() => locks.acquire(`${plan.key}-probe-${process.pid}`, { ttlMs: plan.ttlMs }));
    const at = machineNow();
    await probe.release();
    return at;
  },
  async jumpClock(ms) {
    jumpWallClock(ms);
  },
};

/** A backend that is away for long is asked again. */
async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await sleep(askAgainMs);
    }
  }
}

/** Only its own release ends it: a loss does not. */
async function writeOnAndOn({ fencingToken = 0n }: Lock): Promise<void> {
  while (!released) {
    await recorder
      .write(plan.key, fencingToken, async () => {
        const { ok } = await fetch(plan.resource, { method: 'PUT', body: String(fencingToken) });
        return ok;
      })
      .catch(() => {});
    await sleep(writeEveryMs);
  }
}

process.on('message', ({ id, call, argument }: ActorRequest) => {
  const reply = (message: ActorReply): void => void process.send?.(message);
  calls[call](argument as never).then(
    (result) => reply({ id, result }),
    (error: unknown) => reply({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());

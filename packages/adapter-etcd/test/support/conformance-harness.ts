import { createRequire } from 'node:module';
import type { Harness } from '@holdfast/conformance';
import type { ServerProcess } from '@holdfast/testbed';
import { etcdAdapter } from '../../src/index.ts';
import { hostOf } from './etcd.ts';

/** The harness over members that run when the first case begins. */
export function etcdHarness(
  name: string,
  members: () => readonly ServerProcess[],
  hooks: Harness['hooks'] = {},
): Harness {
  const hosts = () => members().map(hostOf);
  return {
    name,
    adapter: async (at) => etcdAdapter({ hosts: at ? at.map(hostOf) : hosts() }),
    servers: members,
    process: () => ({
      module: new URL('./open-adapter.ts', import.meta.url),
      options: { hosts: hosts() },
      execArgv: ['--import', 'tsx'],
    }),
    capabilities: {
      fencing: true,
      fairness: 'fifo',
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: true,
      crossProcess: true,
      shared: true,
      permits: true,
      ttl: { minMs: 1_000, granularityMs: 1_000, maxOvershootMs: 2_000 },
    },
    // CallTimeout for a busy machine.
    timing: { graceMs: 5_000 },
    async versions() {
      const [member] = members();
      const { etcdserver } = (await (await fetch(`http://${hostOf(member!)}/version`)).json()) as {
        etcdserver: string;
      };
      const { version } = createRequire(import.meta.url)('etcd3/package.json') as { version: string };
      return { client: `etcd3 ${version}`, server: `etcd ${etcdserver}` };
    },
    hooks: {
      async revoke(key) {
        const adapter = etcdAdapter({ hosts: hosts() });
        try {
          await adapter.forceRelease!(key);
        } finally {
          await adapter.close!();
        }
      },
      async freeze() {
        for (const member of members()) member.freeze();
        return () => members().forEach((member) => void member.thaw());
      },
      async restart() {
        await Promise.all(members().map((member) => member.restart()));
      },
      ...hooks,
    },
  };
}

import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import type { Harness } from '../../src/index.ts';
import { openAdapter } from './open-table.ts';
import { networkCapabilities } from './table-client.ts';
import { startTableServer, type TableServer } from './table-server.ts';

export interface TableSetup {
  /** Of the clients, by name. */
  readonly bug?: string;
  /** Of the server. */
  readonly engine?: (right: LockAdapter) => LockAdapter;
  /** Whether a server that is restarted or replaced comes back empty. */
  readonly forgets?: boolean;
  /** What is declared instead of the truth. */
  readonly claims?: Partial<Capabilities>;
}

/** A backend behind a network, and a harness that can do everything to it. */
export async function tableHarness(
  name: string,
  setup: TableSetup = {},
): Promise<{ harness: Harness; server: TableServer }> {
  const server = await startTableServer(setup.engine);
  const { host, port } = server;
  const { bug, forgets: forget = false, claims } = setup;
  const capabilities = { ...networkCapabilities, ...claims };
  const harness: Harness = {
    name,
    adapter: async (at = [{ host, port }]) => ({ ...openAdapter({ ...at[0]!, bug }), capabilities }),
    servers: () => [{ host, port }],
    process: () => ({
      module: new URL('./open-table.ts', import.meta.url),
      options: { host, port, bug },
      execArgv: ['--import', 'tsx'],
    }),
    capabilities,
    hooks: {
      revoke: async (key) => {
        const client = openAdapter({ host, port });
        await client.forceRelease!(key);
        await client.close!();
      },
      freeze: () => server.freeze(),
      restart: () => server.restart({ forget }),
      failover: () => server.restart({ forget }),
      advance: async (ms) => {
        server.clock.ahead += ms;
      },
    },
  };
  return { harness, server };
}

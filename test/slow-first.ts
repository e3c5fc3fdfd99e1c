import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What only `npm run test:all` runs: the suite over a topology of Redis that the other client has in `npm test` as well, over one
 * server where `npm test` has it over several, and over fewer nodes; what depends on the client, or on one server, has tests of its
 * own. And failovers in the middle of a queue, which take 10 s each, queues whose places are deleted by hand, and 10,000 keys at once; and
 * the suite over published libraries, whose faults do not change with this code.
 */
export const nightlyFiles: readonly string[] = [
  'packages/adapter-node-redis/test/conformance-single.test.ts',
  'packages/adapter-node-redis/test/conformance-cluster.test.ts',
  'packages/adapter-ioredis/test/conformance-sentinel.test.ts',
  'packages/adapter-etcd/test/conformance.test.ts',
  'packages/adapter-zookeeper/test/conformance.test.ts',
  'packages/adapter-redlock/test/conformance-3-nodes.test.ts',
  'packages/adapter-ioredis/test/queue-failover.test.ts',
  'packages/adapter-node-redis/test/queue-failover.test.ts',
  'packages/holdfast/test/queues/hard-times.test.ts',
  'packages/compare/test/competitors-conformance.test.ts',
];

/**
 * The files that take long, in the order in which they are to begin. vitest knows how long a file takes from its last run; in a
 * fresh clone it would begin with the largest ones, and a long file that begins last runs alone at the end.
 */
export const slowFiles: readonly string[] = [
  'packages/adapter-etcd/test/conformance-cluster.test.ts',
  'test/guide.test.ts',
  'packages/simulation/test/simulation.test.ts',
  'packages/conformance/test/mutants.test.ts',
  'packages/adapter-redlock/test/conformance.test.ts',
  'packages/adapter-node-redis/test/conformance-sentinel.test.ts',
  'packages/adapter-zookeeper/test/conformance-ensemble.test.ts',
  'packages/holdfast/test/conformance/stress.test.ts',
  'packages/adapter-postgres/test/conformance.test.ts',
  'packages/adapter-ioredis/test/conformance-cluster.test.ts',
  'test/site.test.ts',
  'packages/holdfast/test/bundlers.test.ts',
  'test/packages.test.ts',
  'packages/simulation/test/postgres-model.test.ts',
  'packages/opentelemetry/test/secrets.test.ts',
  'packages/simulation/test/redis-model.test.ts',
  'test/readme.test.ts',
  'packages/adapter-ioredis/test/conformance-single.test.ts',
  'packages/holdfast/test/tls.test.ts',
  'test/jest.test.ts',
  'packages/compare/test/compare-run.test.ts',
  'packages/compare/test/competitors-conformance.test.ts',
  'packages/adapter-node-redis/test/conformance-cluster.test.ts',
  'packages/adapter-node-redis/test/conformance-single.test.ts',
  'packages/adapter-ioredis/test/conformance-sentinel.test.ts',
  'packages/adapter-zookeeper/test/conformance.test.ts',
  'packages/adapter-etcd/test/conformance.test.ts',
  'packages/holdfast/test/cli/doctor.test.ts',
  'packages/holdfast/test/cli/unreachable.test.ts',
  'packages/simulation/test/etcd-model.test.ts',
  'packages/holdfast/test/refused-server.test.ts',
  'test/api.test.ts',
  'examples/adapter-folder/test/conformance.test.ts',
  'packages/holdfast/test/cli/commands.test.ts',
  'packages/holdfast/test/cli/loss.test.ts',
  'packages/holdfast/test/redis.test.ts',
  'packages/adapter-node-redis/test/refusals.test.ts',
  'packages/adapter-redlock/test/simulation.test.ts',
  'packages/conformance/test/mutants-outside.test.ts',
  'packages/adapter-zookeeper/test/server-answers.test.ts',
  'examples/flash-sale/test/flash-sale.test.ts',
  'packages/conformance/test/outside.test.ts',
  'packages/adapter-etcd/test/authentication.test.ts',
  'examples/connection-slots/test/connection-slots.test.ts',
  'packages/adapter-ioredis/test/faults.test.ts',
  'packages/conformance/test/bindings.test.ts',
  'packages/lock-core/test/properties.test.ts',
  'packages/holdfast/test/cli/run.test.ts',
  'packages/adapter-ioredis/test/refusals.test.ts',
  'packages/adapter-node-redis/test/faults.test.ts',
  'packages/holdfast/test/contract-table.test.ts',
  'packages/adapter-etcd/test/unknown-outcomes.test.ts',
  'packages/holdfast/test/conformance/suite.test.ts',
  'packages/testbed/test/left-behind.test.ts',
  'packages/adapter-etcd/test/queue.test.ts',
  'packages/holdfast/test/untrusted.test.ts',
  'packages/adapter-redlock/test/faults.test.ts',
  'packages/adapter-postgres/test/server.test.ts',
  'packages/adapter-etcd/test/faults.test.ts',
  'packages/adapter-redlock/test/fairness.test.ts',
  'packages/adapter-postgres/test/versions.test.ts',
  'examples/paused-writer/test/paused-writer.test.ts',
  'examples/leader/test/leader.test.ts',
  'packages/adapter-zookeeper/test/outage.test.ts',
];

/** Begins with the slow files; the others follow in vitest's own order. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const place = ({ moduleId }: TestSpecification): number => {
      const at = slowFiles.findIndex((file) => moduleId.endsWith(`/${file}`));
      return at === -1 ? slowFiles.length : at;
    };
    return others.sort((a, b) => place(a) - place(b));
  }
}

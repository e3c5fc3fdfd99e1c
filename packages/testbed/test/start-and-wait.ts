import { childrenOf } from '../src/children.ts';
import { startEtcd, startPostgres, startRedis } from '../src/index.ts';
import { folderOf } from './processes.ts';

// A test process that starts servers, freezes one, tells their pids, and then ends as it is told to.
const [first, second, etcd, postgres] = await Promise.all([startRedis(), startRedis(), startEtcd(), startPostgres()]);
const folder = await folderOf(first);
second.freeze();
postgres.freeze();
process.send!({
  servers: [first.pid, second.pid, etcd.pid, postgres.pid],
  family: childrenOf(postgres.pid),
  folder,
});
process.on('message', (how) => {
  if (how === 'exit') process.exit(0);
  if (how === 'throw') throw new Error('A test process that crashes.');
});

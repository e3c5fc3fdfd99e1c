import { binary } from './binaries.ts';
import { serverFolder } from './folders.ts';
import { localhost, withFreePorts } from './ports.ts';
import { type ServerProcess, startServer } from './server-process.ts';

/** Starts etcd's gRPC proxy in front of a server. It merges the watches and keep-alives of its clients. */
export function startEtcdGrpcProxy(server: { readonly host: string; readonly port: number }): Promise<ServerProcess> {
  return withFreePorts(1, async ([port]) => {
    const { path, env } = await binary('etcd');
    const address = `${localhost}:${port}`;
    return startServer({
      name: 'etcd gRPC proxy',
      url: `etcd://${address}`,
      port: port!,
      folder: serverFolder('etcd-grpc-proxy'),
      command: [path, 'grpc-proxy', 'start', '--endpoints', `${server.host}:${server.port}`, '--listen-addr', address],
      env,
      async healthy(_pid, timeoutMs) {
        const response = await fetch(`http://${address}/health`, { signal: AbortSignal.timeout(timeoutMs) });
        return ((await response.json()) as { health?: string }).health === 'true';
      },
    });
  });
}

/** The users of an etcd whose authentication is on. */
export interface EtcdUsers {
  /** Calls etcd's HTTP interface as root, for example `call('auth/user/changepw', { name: 'app', password: 'new' })`. */
  call(path: string, body?: object): Promise<Record<string, unknown>>;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Turns authentication on: `root` with the password `r`, and `app` with the password `p`, who may use the keys below `locks/`. */
export async function enableEtcdUsers(server: Address): Promise<EtcdUsers> {
  const permission = { permType: 'READWRITE', key: base64('locks/'), range_end: base64('locks0') };
  const calls: [string, object][] = [
    ['auth/user/add', { name: 'root', password: 'r' }],
    ['auth/role/add', { name: 'root' }],
    ['auth/user/grant', { user: 'root', role: 'root' }],
    ['auth/role/add', { name: 'locker' }],
    ['auth/role/grant', { name: 'locker', perm: permission }],
    ['auth/user/add', { name: 'app', password: 'p' }],
    ['auth/user/grant', { user: 'app', role: 'locker' }],
    ['auth/enable', {}],
  ];
  for (const [path, body] of calls) await call(server, path, body);
  return {
    async call(path, body = {}) {
      // A token of its own for each call: the one before may have become stale.
      const { token } = await call(server, 'auth/authenticate', { name: 'root', password: 'r' });
      return call(server, path, body, String(token));
    },
  };
}

async function call(
  { host, port }: Address,
  path: string,
  body: object,
  token?: string,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://${host}:${port}/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: token === undefined ? {} : { Authorization: token },
    signal: AbortSignal.timeout(5_000),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(`etcd refuses ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

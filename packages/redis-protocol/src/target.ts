/** A Redis deployment to connect to, for `openIoredis` and `openNodeRedis`. */
export interface RedisTarget<ClientOptions> {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** The server; some nodes of the cluster; the sentinels. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Database number, default 0; a cluster has only 0. */
  readonly db?: number | undefined;
  readonly tls?: boolean | undefined;
  /** The name of the master that the sentinels watch; needed for `sentinel`. */
  readonly masterName?: string | undefined;
  /** The client library's own options for a connection to a server, over those that are made from the rest. */
  readonly options?: ClientOptions | undefined;
}

import { hostAndPort } from '../../lock-url.ts';
import type { ServerReport } from './diagnosis.ts';
import { clockOffset, inTime, reasonOf, roundTrip } from './measure.ts';
import type { Target } from './target.ts';

/** What one etcd member reports, over the JSON form of its protocol, which needs no client. */
export interface EtcdMember {
  readonly report: ServerReport;
  readonly facts?: EtcdFacts;
}

/** The parts of a member's answers that matter here. 64-bit numbers are strings of digits. */
export interface EtcdFacts {
  readonly clusterId: string;
  readonly memberId: string;
  /** `undefined` when the member knows no leader. */
  readonly leader: string | undefined;
  /** Every member, with the addresses for its clients. */
  readonly members: readonly {
    readonly id: string;
    readonly clientUrls: readonly string[];
    readonly learner: boolean;
  }[];
  readonly alarms: readonly string[];
}

interface Status {
  readonly header?: { readonly cluster_id?: string; readonly member_id?: string };
  readonly leader?: string;
}

interface MemberList {
  readonly members?: readonly { readonly ID: string; readonly clientURLs?: string[]; readonly isLearner?: boolean }[];
}

/** Checks one member; a failure becomes part of the report. */
export async function inspectEtcd({ url, options }: Target, node: { host: string; port: number }): Promise<EtcdMember> {
  const address = hostAndPort(node);
  const base = `${options.tls === true ? 'https' : 'http'}://${address}`;
  try {
    return await inTime(async (signal) => {
      const version = await getVersion(base, signal);
      const clock = await clockOffset(async () => (await getVersion(base, signal)).dateMs, 1_000);
      const roundTripMs = await roundTrip(() => getVersion(base, signal));
      const token = await authenticate(base, url.username, url.password, signal);
      const ask = <T>(path: string, body: object = {}): Promise<T> => post(base, path, body, token, signal);
      const status = await ask<Status>('maintenance/status');
      const listed = await ask<MemberList>('cluster/member/list');
      const { alarms = [] } = await ask<{ alarms?: { alarm?: string }[] }>('maintenance/alarm', { action: 'GET' });
      const leader = status.leader === '0' ? undefined : status.leader;
      const memberId = status.header?.member_id ?? '';
      return {
        report: {
          address,
          role: leader === undefined ? 'no leader' : leader === memberId ? 'leader' : 'follower',
          version: version.server,
          roundTripMs,
          ...clock,
        },
        facts: {
          clusterId: status.header?.cluster_id ?? '',
          memberId,
          leader,
          members: (listed.members ?? []).map(({ ID, clientURLs = [], isLearner = false }) => {
            return { id: ID, clientUrls: clientURLs, learner: isLearner };
          }),
          alarms: alarms.map(({ alarm = 'UNKNOWN' }) => alarm),
        },
      };
    });
  } catch (error) {
    return { report: { address, problem: reasonOf(error) } };
  }
}

/** The version of the server, and its clock: HTTP answers carry the time in whole seconds. */
async function getVersion(base: string, signal: AbortSignal): Promise<{ server: string; dateMs: number }> {
  const response = await fetch(`${base}/version`, { signal });
  const { etcdserver } = (await response.json()) as { etcdserver?: string };
  if (etcdserver === undefined) throw new Error('it is not etcd');
  return { server: etcdserver, dateMs: Date.parse(response.headers.get('date') ?? '') };
}

async function authenticate(
  base: string,
  name: string | undefined,
  password: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (name === undefined) return undefined;
  return (await post<{ token: string }>(base, 'auth/authenticate', { name, password }, undefined, signal)).token;
}

async function post<T>(
  base: string,
  path: string,
  body: object,
  token: string | undefined,
  signal: AbortSignal,
): Promise<T> {
  const response = await fetch(`${base}/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: token === undefined ? {} : { authorization: token },
    signal,
  });
  const answer = (await response.json()) as T & { error?: string; message?: string };
  if (!response.ok) throw new Error(answer.error ?? answer.message ?? `HTTP ${response.status}`);
  return answer;
}

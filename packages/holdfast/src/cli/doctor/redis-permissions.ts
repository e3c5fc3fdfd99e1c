import { critical, type Finding } from './diagnosis.ts';
import type { RedisConnection } from './redis-client.ts';

/** The keys and channels that a lock uses. */
export interface LockNames {
  readonly lock: string;
  readonly fence: string;
}

/** Every command that locks need, in a form that changes nothing: on keys that do not exist, with XX where it would create one. */
function probes({ lock, fence }: LockNames): readonly (readonly [command: string, ...args: string[]])[] {
  const queue = fence.replace(':', ':queue:');
  return [
    ['TIME'],
    ['INFO', 'server'],
    ['SCRIPT', 'EXISTS', '0'.repeat(40)],
    ['EVAL', 'return 1', '0'],
    ['EVALSHA', '0'.repeat(40), '0'],
    ['GET', lock],
    ['SET', lock, '', 'XX', 'PX', '1'],
    ['PTTL', lock],
    ['PEXPIRE', lock, '1'],
    ['DEL', lock],
    ['GET', fence],
    ['SET', fence, '', 'XX'],
    ['PUBLISH', lock, ''],
    ['EXISTS', queue],
    ['ZADD', queue, 'XX', '1', 'nobody'],
    ['ZREM', queue, 'nobody'],
    ['ZSCORE', queue, 'nobody'],
    ['ZCOUNT', queue, '-inf', '+inf'],
    ['ZRANGEBYSCORE', queue, '-inf', '+inf'],
    ['ZREVRANGEBYSCORE', queue, '+inf', '-inf'],
    ['HGET', queue, 'nobody'],
    ['HDEL', queue, 'nobody'],
  ];
}

/** The commands that the user of the URL may not use, with the server's words. */
export async function permissionFindings(connection: RedisConnection, names: LockNames): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [command, ...args] of probes(names)) {
    const refusal = await connection.call(command, args).then(
      () => undefined,
      (error: Error) => (/^NOPERM|no permissions|can't access/i.test(error.message) ? error.message : undefined),
    );
    if (refusal === undefined) continue;
    const subject = /KEYS|TIME|INFO|SCRIPT|EVAL/.test(command) ? '' : ` on ${args[0]}`;
    findings.push(
      critical(
        `The user may not use ${command}${subject}: "${refusal.split('\n')[0]}".`,
        'Locks cannot be acquired, renewed or released.',
        'Grant the permission: ACL SETUSER <user> +<command> ~<prefix>* ~fence:* &<prefix>*.',
      ),
    );
  }
  return findings;
}

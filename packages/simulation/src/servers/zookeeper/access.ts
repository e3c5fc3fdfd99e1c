import { createHash } from 'node:crypto';
import type { Acl } from './tree.ts';

/** Who the client of a connection is. */
export interface Identity {
  readonly scheme: string;
  readonly id: string;
}

export const permissions = { read: 1, write: 2, create: 4, delete: 8 } as const;

/** Who somebody with these credentials is; `undefined` when they are refused. */
export function identify(scheme: string, credentials: Buffer): Identity | undefined {
  if (scheme !== 'digest') return undefined;
  const words = credentials.toString('utf8');
  const hash = createHash('sha1').update(words, 'utf8').digest('base64');
  return { scheme, id: `${words.split(':')[0]}:${hash}` };
}

export const permits = (acl: readonly Acl[], wanted: number, identities: readonly Identity[]): boolean =>
  acl.some(
    (entry) =>
      (entry.permissions & wanted) !== 0 &&
      ((entry.scheme === 'world' && entry.id === 'anyone') ||
        identities.some(({ scheme, id }) => scheme === entry.scheme && id === entry.id)),
  );

/** The list with the identities of its maker in place of the scheme `auth`; `undefined` when it is refused. */
export function resolveAcl(acl: readonly Acl[], identities: readonly Identity[]): readonly Acl[] | undefined {
  const resolved: Acl[] = [];
  for (const entry of acl) {
    if (entry.scheme === 'world' && entry.id === 'anyone') resolved.push(entry);
    else if (entry.scheme === 'digest' && entry.id.split(':').length === 2) resolved.push(entry);
    else if (entry.scheme === 'auth' && identities.length > 0)
      resolved.push(...identities.map((identity) => ({ ...identity, permissions: entry.permissions })));
    else return undefined;
  }
  return resolved.length === 0 ? undefined : resolved;
}

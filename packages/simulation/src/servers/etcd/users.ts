import { invalidArgument, permissionDenied, Refusal, unauthenticated } from './messages.ts';

/** etcd's own authentication, with one user who may use the keys under one prefix. */
export interface Users {
  /** Whether it is on. */
  enabled: boolean;
  authenticate(name: string, password: string): string;
  /** Refuses a call without a token that is valid now, and whose user is known to the last change. */
  check(token: string | undefined): void;
  /** Refuses a token that is not valid, whoever it belongs to. */
  checkToken(token: string): void;
  checkRange(token: string | undefined, key: Buffer, end: Buffer): void;
  /** Forgets the tokens, as a member that was restarted does, or when their time is up. */
  expireTokens(): void;
  /** The user was given another password, or role: tokens of before are stale. */
  change(): void;
}

interface UserTerms {
  readonly name: string;
  readonly password: string;
  readonly prefix: string;
  readonly end: string;
  readonly tokenTtlMs: number;
  /** A simple token lives on while it is used; a signed one does not, and names the users as they were. */
  readonly token: 'simple' | 'jwt';
}

/** `now` is the clock of the member that leads. */
export function createUsers(now: () => number, terms: UserTerms): Users {
  const tokens = new Map<string, { expiresAt: number; readonly generation: number }>();
  let generation = 1;
  let count = 0;

  function lookUp(token: string): { readonly generation: number } {
    const known = tokens.get(token);
    if (known === undefined || known.expiresAt <= now())
      throw new Refusal(unauthenticated, 'etcdserver: invalid auth token');
    if (terms.token === 'simple') known.expiresAt = now() + terms.tokenTtlMs;
    return known;
  }

  function check(token: string | undefined): void {
    if (!users.enabled) return;
    if (token === undefined) throw new Refusal(invalidArgument, 'etcdserver: user name is empty');
    if (lookUp(token).generation < generation)
      throw new Refusal(invalidArgument, 'etcdserver: revision of auth store is old');
  }

  const users: Users = {
    enabled: false,
    authenticate(name, password) {
      if (!users.enabled) throw new Refusal(9, 'etcdserver: authentication is not enabled');
      if (name !== terms.name || password !== terms.password) {
        throw new Refusal(invalidArgument, 'etcdserver: authentication failed, invalid user ID or password');
      }
      count += 1;
      const token = `token.${count}`;
      tokens.set(token, { expiresAt: now() + terms.tokenTtlMs, generation });
      return token;
    },
    check,
    checkToken(token) {
      if (users.enabled) lookUp(token);
    },
    checkRange(token, key, end) {
      if (!users.enabled) return;
      check(token);
      const from = key.toString('latin1');
      const to = end.length === 0 ? `${from}\0` : end.toString('latin1');
      const isWithin = from >= terms.prefix && to <= terms.end && to !== '\0';
      if (!isWithin) throw new Refusal(permissionDenied, 'etcdserver: permission denied');
    },
    expireTokens: () => tokens.clear(),
    change() {
      if (terms.token === 'simple') tokens.clear();
      else generation += 1;
    },
  };
  return users;
}

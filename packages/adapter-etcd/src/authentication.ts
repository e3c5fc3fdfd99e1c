import type { Etcd3 } from 'etcd3';
import { isAuthenticationOff } from './errors.ts';

type GrpcOptions = NonNullable<Parameters<Etcd3['kv']['txn']>[1]>;
type Interceptor = NonNullable<GrpcOptions['interceptors']>[number];

/** What every call receives. */
export interface CallOptions {
  /** Wall-clock ms at which gRPC gives up the call and frees its resources. Streams have none. */
  readonly deadline?: number;
  /** Adds the token of etcd's authentication. */
  readonly interceptors?: Interceptor[];
}

/** User name and password of etcd's own authentication. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The options of one call, and the token that they carry. */
export interface Ticket {
  readonly options: CallOptions;
  readonly token: unknown;
}

/** The authentication of one client. */
export interface Authentication {
  ticket(deadline?: number): Ticket | Promise<Ticket>;
  /**
   * Drops the token that etcd refused. False when there is no other way to authenticate. Calls that were refused together share
   * the next token, because only the current token is ever dropped.
   */
  discard(ticket: Ticket): boolean;
}

/**
 * Authenticates the calls of a client of ours. etcd3's own authentication opens a channel for each token and never closes it,
 * knows one of the errors of a stale token, and repeats a call that gets this error without limit.
 */
export function passwordAuthentication(
  client: Etcd3,
  { username, password }: Credentials,
  withinMs: () => number,
): Authentication {
  let current: Promise<Interceptor[] | undefined> | undefined;

  async function authenticate(): Promise<Interceptor[] | undefined> {
    try {
      const { token } = await client.auth.authenticate({ name: username, password }, { deadline: withinMs() });
      return [withToken(token)];
    } catch (error) {
      // Authentication is off, so calls need no token. Once it is on, etcd refuses a call without a token, and this runs again.
      if (isAuthenticationOff(error)) return undefined;
      throw error;
    }
  }

  return {
    async ticket(deadline) {
      current ??= authenticate();
      const token = current;
      try {
        const interceptors = await token;
        const options = { ...(deadline === undefined ? {} : { deadline }), ...(interceptors && { interceptors }) };
        return { options, token };
      } catch (error) {
        if (current === token) current = undefined;
        throw error;
      }
    },
    discard({ token }) {
      if (current === token) current = undefined;
      return true;
    },
  };
}

/** etcd3 keeps the token of a client in a private field. It has no public way to replace a token that etcd refused. */
interface PrivateAuthenticator {
  readonly awaitingMetadata?: unknown;
  readonly options?: { readonly auth?: unknown };
  invalidateMetadata?(): void;
}

/** Leaves authentication to the client of the caller, but drops a token that etcd refused. */
export function clientAuthentication(client: Etcd3): Authentication {
  const { pool } = client as unknown as { pool?: { authenticator?: PrivateAuthenticator } };
  const authenticator = pool?.authenticator;
  return {
    ticket: (deadline) => ({
      options: deadline === undefined ? {} : { deadline },
      token: authenticator?.awaitingMetadata ?? undefined,
    }),
    discard({ token }) {
      if (authenticator?.options?.auth === undefined || authenticator.invalidateMetadata === undefined) return false;
      // The first call of all has its token only after its ticket.
      if (token === undefined || authenticator.awaitingMetadata === token) authenticator.invalidateMetadata();
      return true;
    },
  };
}

const endlesslyRepeated = 'invalid auth token';

type PublicCall = Pick<ReturnType<Interceptor>, keyof ReturnType<Interceptor>>;

/** Sends a token with a call. */
function withToken(token: string): Interceptor {
  return (options, nextCall) => {
    const call = nextCall(options);
    const authenticated: PublicCall = {
      start(metadata, listener) {
        metadata.set('token', token);
        call.start(metadata, {
          ...(listener?.onReceiveMetadata && {
            onReceiveMetadata: (received) => listener.onReceiveMetadata?.(received),
          }),
          ...(listener?.onReceiveMessage && { onReceiveMessage: (message) => listener.onReceiveMessage?.(message) }),
          onReceiveStatus(status) {
            // etcd3 repeats a call with this error without limit; its options would carry the same token each time.
            const details = status.details.replace(endlesslyRepeated, 'auth token is invalid');
            listener?.onReceiveStatus?.({ ...status, details });
          },
        });
      },
      cancelWithStatus: (status, details) => call.cancelWithStatus(status, details),
      getPeer: () => call.getPeer(),
      sendMessageWithContext: (context, message) => call.sendMessageWithContext(context, message),
      sendMessage: (message) => call.sendMessage(message),
      startRead: () => call.startRead(),
      halfClose: () => call.halfClose(),
      getAuthContext: () => call.getAuthContext(),
    };
    // gRPC uses nothing else of the class in its type.
    return authenticated as ReturnType<Interceptor>;
  };
}

/** What a process that wants the lock is told at its start. */
export interface ActorPlan {
  readonly label: 'holder' | 'next';
  readonly url: string;
  readonly key: string;
  readonly ttlMs: number;
  /** Where to write its history. */
  readonly file: string;
  /** The resource that looks at tokens. */
  readonly resource: string;
}

/** What it can be asked, with the argument. */
export interface ActorCalls {
  /** Answers when it is connected. */
  readonly open: undefined;
  /** Answers when it has the lock. */
  readonly take: undefined;
  readonly state: undefined;
  readonly release: undefined;
  /** Answers the moment at which it had acquired another lock. */
  readonly serviceBack: undefined;
  readonly jumpClock: number;
}

export interface ActorRequest {
  readonly id: number;
  readonly call: keyof ActorCalls;
  readonly argument: unknown;
}

export type ActorReply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

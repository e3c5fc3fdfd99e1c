import type { Environment } from '../engine/environment.ts';
import type { MethodDefinition, ServedCall } from '../servers/etcd/protocol.ts';
import { type Channel, status } from './etcd-channel.ts';

/** The headers of a call; etcd's token is one. */
export class Metadata {
  readonly #values = new Map<string, string>();
  set(name: string, value: string): void {
    this.#values.set(name, value);
  }
  get(name: string): string[] {
    const value = this.#values.get(name);
    return value === undefined ? [] : [value];
  }
}

/** How a call ended. */
export interface Status {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

interface Listener {
  onReceiveMetadata?(metadata: Metadata): void;
  onReceiveMessage?(message: object): void;
  onReceiveStatus?(status: Status): void;
}

/** What interceptors see of a call. */
export interface InterceptedCall {
  start(metadata: Metadata, listener?: Listener): void;
  sendMessage(message: object): void;
  sendMessageWithContext(context: object, message: object): void;
  halfClose(): void;
  startRead(): void;
  cancelWithStatus(code: number, details: string): void;
  getPeer(): string;
  getAuthContext(): null;
}

/** The options of a call that etcd3 and the adapter give. */
export interface CallOptions {
  readonly deadline?: number | Date;
  readonly interceptors?: readonly ((
    options: CallOptions,
    next: (options: CallOptions) => InterceptedCall,
  ) => InterceptedCall)[];
}

/** What a call is made on. */
export interface CallTerms {
  readonly environment: Environment;
  readonly channel: Channel;
  readonly method: MethodDefinition;
}

/** Makes a call that passes the interceptors of its options first. */
export function openCall(terms: CallTerms, options: CallOptions): InterceptedCall {
  let open = (last: CallOptions): InterceptedCall => new BottomCall(terms, last);
  for (const intercept of options.interceptors?.toReversed() ?? []) {
    const next = open;
    open = (current) => intercept(current, next);
  }
  return open(options);
}

/** A call on the wire. One that is not a stream goes out in one piece. */
class BottomCall implements InterceptedCall {
  readonly #terms: CallTerms;
  readonly #options: CallOptions;
  readonly #said: ((call: ServedCall) => void)[] = [];
  #send: ((run: (call: ServedCall) => void) => void) | undefined;
  #cancel = (): void => {};
  #end = (_code: number, _details: string): void => {};

  constructor(terms: CallTerms, options: CallOptions) {
    this.#terms = terms;
    this.#options = options;
  }

  start(metadata: Metadata, listener: Listener = {}): void {
    const { environment, channel, method } = this.#terms;
    const { machine } = environment;
    let timer: unknown;
    let isOver = false;
    this.#end = (code, details) => {
      if (isOver) return;
      isOver = true;
      machine.clear(timer);
      listener.onReceiveStatus?.({ code, details, metadata: new Metadata() });
    };
    const { deadline } = this.#options;
    if (deadline !== undefined) {
      const ms = Math.max(0, Number(deadline) - machine.wallNow());
      const expiring = machine.setTimeout(() => {
        this.#cancel();
        this.#end(status.deadlineExceeded, `Deadline exceeded after ${(ms / 1_000).toFixed(3)}s`);
      }, ms);
      machine.discount(expiring);
      timer = expiring;
    }
    const { cancel } = channel.start({
      path: method.path,
      token: metadata.get('token')[0],
      begin: (send) => {
        this.#send = send;
        if (method.requestStream) send(() => {});
        this.#flush();
      },
      onMessage: (bytes) => {
        if (!isOver) listener.onReceiveMessage?.(method.responseDeserialize(bytes));
      },
      onStatus: (code, details) => this.#end(code, details),
    });
    this.#cancel = cancel;
  }

  #flush(): void {
    if (this.#send === undefined || this.#said.length === 0) return;
    const said = this.#said.splice(0);
    this.#send((call) => {
      for (const one of said) one(call);
    });
  }

  sendMessage(message: object): void {
    const { method } = this.#terms;
    const bytes = method.requestSerialize(message);
    this.#said.push((call) => call.message(bytes));
    if (method.requestStream) this.#flush();
  }

  sendMessageWithContext(_context: object, message: object): void {
    this.sendMessage(message);
  }

  halfClose(): void {
    this.#said.push((call) => call.halfClose());
    this.#flush();
  }

  startRead(): void {}

  cancelWithStatus(code: number, details: string): void {
    this.#cancel();
    this.#end(code, details);
  }

  getPeer(): string {
    return 'unknown';
  }

  getAuthContext(): null {
    return null;
  }
}

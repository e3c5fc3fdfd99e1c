import type { Fault } from '../report/schema.ts';
import type { Actor } from './actor.ts';
import type { FaultyBackend } from './deployment.ts';

/** One fault on one kind of servers. */
export interface Scenario extends Pick<Fault, 'id' | 'title' | 'setup' | 'ttlMs' | 'expected'> {
  readonly backend: FaultyBackend;
  /** How long the fault lasts. */
  readonly lastsMs: number;
  /** Whether the fault is one of the servers: then it is measured when locks can be acquired again. */
  readonly ofServers: boolean;
  open(): Promise<Scene>;
}

/** A fault that is ready to happen. */
export interface Scene {
  readonly holderUrl: string;
  readonly nextUrl: string;
  /** Before the holder asks for the lock. What it does may keep the holder from getting it. */
  before?(): Promise<void>;
  begin(holder: Actor): Promise<void> | void;
  end?(holder: Actor): Promise<void> | void;
  stop(): Promise<void>;
}

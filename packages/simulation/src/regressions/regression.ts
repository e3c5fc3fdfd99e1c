import type { SourcePatch } from '../engine/bundle.ts';
import type { BackendName } from '../schedule/types.ts';

/** A change to the shipped code that brings a fault back, which the simulator must then find. */
export interface Regression {
  readonly name: string;
  /** The backends to look at, in this order, each for its share of the time. */
  readonly backends: readonly BackendName[];
  readonly patches: readonly SourcePatch[];
  /** Looks only at simulations of requests for claims. */
  readonly inClaims?: boolean;
  /** Looks only at simulations of this neighbourhood. */
  readonly about?: string;
}

/** One textual change to a source file of a package. */
export const patch = (file: string, find: string, replace: string): SourcePatch => ({
  file: `packages/${file.replace('/', '/src/')}`,
  find,
  replace,
});

/** A fault that one textual change makes. */
export const fault = (
  backend: BackendName | readonly BackendName[],
  name: string,
  file: string,
  find: string,
  replace: string,
  more: Partial<Regression> = {},
): Regression => ({
  name,
  backends: typeof backend === 'string' ? [backend] : backend,
  patches: [patch(file, find, replace)],
  ...more,
});

export const inClaims: Partial<Regression> = { inClaims: true };

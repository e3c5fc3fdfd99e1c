import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';

export type Suite = typeof import('@holdfast/conformance');
export type Stress = typeof import('@holdfast/conformance/stress');
export type Histories = typeof import('@holdfast/conformance/history');

/** The suite is an optional package: applications that only use locks do not install it. */
export const loadSuite = (): Promise<Suite> => load('@holdfast/conformance') as Promise<Suite>;
export const loadStress = (): Promise<Stress> => load('@holdfast/conformance/stress') as Promise<Stress>;
export const loadHistories = (): Promise<Histories> => load('@holdfast/conformance/history') as Promise<Histories>;

async function load(name: string): Promise<unknown> {
  try {
    // The project's own copy, so that its adapters and its cases share one lock-core.
    const require = createRequire(join(process.cwd(), 'package.json'));
    return await import(pathToFileURL(require.resolve(name)).href);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
  }
  try {
    return await import(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Failure(
      'The conformance suite is not installed: npm install --save-dev @holdfast/conformance @holdfast/lock-core',
      exitCodes.unsupported,
    );
  }
}

import type { LockErrorCode } from 'holdfast';
import type { BuyersReport } from './buyers.ts';

/** From a worker process. */
export type FromWorker =
  | { type: 'ready' }
  | { type: 'read'; id: number }
  | { type: 'write'; id: number; left: number; fencingToken: bigint | undefined }
  | { type: 'served' }
  | { type: 'done'; report: BuyersReport }
  | { type: 'failed'; message: string; code: LockErrorCode | undefined };

/** To a worker process. */
export type ToWorker = { type: 'start' } | { type: 'answer'; id: number; value: number | 'sold' | 'refused' };

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LockError, type LockErrorCode } from 'holdfast';
import type { BuyersReport } from './buyers.ts';
import { whenInterrupted } from './interrupt.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import type { Stock } from './stock.ts';

/** Sells from `stock` with several processes, which begin together once all are ready. */
export async function sellWithWorkers(
  workers: number,
  buyers: number,
  url: string,
  locked: boolean,
  key: string,
  stock: Stock,
  served: () => void,
): Promise<BuyersReport[]> {
  const args = (index: number) => {
    const share = Math.floor(buyers / workers) + (index < buyers % workers ? 1 : 0);
    return [url, String(locked), key, String(share)];
  };
  const file = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const children = Array.from({ length: workers }, (_, index) =>
    fork(file, args(index), { execArgv: ['--import', 'tsx'], serialization: 'advanced' }),
  );
  const end = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  const forget = whenInterrupted(end);
  try {
    let ready = 0;
    const startTogether = () => {
      if (++ready === workers) for (const child of children) tell(child, { type: 'start' });
    };
    return await Promise.all(children.map((child) => follow(child, stock, startTogether, served)));
  } finally {
    end();
    forget();
  }
}

function follow(child: ChildProcess, stock: Stock, ready: () => void, served: () => void): Promise<BuyersReport> {
  return new Promise((resolve, reject) => {
    child.on('exit', (code, signal) => reject(new Error(`A worker process ended early (${signal ?? code}).`)));
    child.on('error', reject);
    child.on('message', async (message: FromWorker) => {
      if (message.type === 'ready') ready();
      else if (message.type === 'served') served();
      else if (message.type === 'done') resolve(message.report);
      else if (message.type === 'failed') reject(errorOf(message));
      else {
        const value =
          message.type === 'read' ? await stock.read() : await stock.write(message.left, message.fencingToken);
        tell(child, { type: 'answer', id: message.id, value });
      }
    });
  });
}

function errorOf({ message, code }: { message: string; code: LockErrorCode | undefined }): Error {
  return code === undefined ? new Error(message) : new LockError(code, message);
}

function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message);
}

// One of several processes that sell from one stock. The stock is in the parent and is reached over IPC.
import { isLockError, openLocks } from 'holdfast';
import { serveBuyers } from './buyers.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import type { Stock } from './stock.ts';

const [url, locked, key, count] = process.argv.slice(2) as [string, string, string, string];
const answers = new Map<number, (value: number | 'sold' | 'refused') => void>();
let lastId = 0;

const send = (message: FromWorker): void => {
  process.send?.(message);
};
const stock: Stock = {
  read: () => ask((id) => ({ type: 'read', id })) as Promise<number>,
  write: (left, fencingToken) =>
    ask((id) => ({ type: 'write', id, left, fencingToken })) as Promise<'sold' | 'refused'>,
};

function ask(message: (id: number) => FromWorker): Promise<number | 'sold' | 'refused'> {
  const id = ++lastId;
  return new Promise((resolve) => {
    answers.set(id, resolve);
    send(message(id));
  });
}

// The parent decides when to end: on Ctrl-C it goes, and its channel with it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', (message: ToWorker) => {
  if (message.type === 'start') void sell();
  else {
    answers.get(message.id)?.(message.value);
    answers.delete(message.id);
  }
});

const locks = locked === 'true' ? await openLocks(url).catch(fail) : undefined;
send({ type: 'ready' });

async function sell(): Promise<void> {
  try {
    const report = await serveBuyers(Number(count), stock, locks ?? undefined, key, () => send({ type: 'served' }));
    await locks?.close();
    send({ type: 'done', report });
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): undefined {
  const code = isLockError(error) ? error.code : undefined;
  send({ type: 'failed', message: String((error as Error)?.message ?? error), code });
}

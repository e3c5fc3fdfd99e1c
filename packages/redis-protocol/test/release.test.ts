import { expect, it } from 'vitest';
import { answering } from './support/answering.ts';

const hold = { key: 'k', owner: 'me' };

it('a release names all keys only where others wait', async () => {
  const alone = answering(() => '1');
  expect(await alone.adapter.release(hold)).toBe('released');
  expect(alone.sent).toEqual([['2', 'lock:k', 'fence:queue:{lock:k}', 'me']]);
  const amongOthers = answering(
    () => 'more',
    () => '1\n7 1 other',
  );
  expect(await amongOthers.adapter.release(hold)).toBe('released');
  expect(amongOthers.sent[1]).toEqual([
    ...['4', 'lock:k', 'fence:queue:{lock:k}', 'fence:places:{lock:k}', 'fence:{lock:k}', 'me'],
  ]);
});

it('H14: what was sent twice may have released before the server asked for all keys', async () => {
  const { adapter } = answering(
    (client) => {
      client.resends += 1;
      return 'more';
    },
    () => '0',
  );
  await expect(adapter.release(hold)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
});

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Core from '@holdfast/lock-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './workspace.ts';

// A tree in which npm installed lock-core twice: the adapter and the application have a copy each.
describe('two copies of lock-core', () => {
  let folder: string;
  let first: typeof Core;
  let second: typeof Core;
  let memoryAdapter: () => Core.LockAdapter;

  beforeAll(async () => {
    folder = mkdtempSync(join(root, 'node_modules', '.two-cores-'));
    const copy = (name: string, to: string) => {
      for (const part of ['dist', 'package.json']) {
        cpSync(join(root, 'packages', name, part), join(folder, to, part), { recursive: true });
      }
    };
    copy('lock-core', 'application/lock-core');
    copy('lock-core', 'node_modules/@holdfast/lock-core');
    copy('adapter-memory', 'node_modules/@holdfast/adapter-memory');
    const load = (path: string) => import(pathToFileURL(join(folder, path, 'dist/index.js')).href);
    first = await load('application/lock-core');
    second = await load('node_modules/@holdfast/lock-core');
    ({ memoryAdapter } = await load('node_modules/@holdfast/adapter-memory'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are two indeed', () => {
    expect(first.LockError).not.toBe(second.LockError);
  });

  it('isLockError of one knows the errors of the other', () => {
    const error = new second.LockError('LOCK_LOST', 'gone');
    expect(error).not.toBeInstanceOf(first.LockError);
    expect(first.isLockError(error)).toBe(true);
    expect(first.isLockError(error, 'LOCK_LOST')).toBe(true);
    expect(first.isLockError(error, 'LOCK_TIMEOUT')).toBe(false);
  });

  it('an adapter of one works under createLocks of the other', async () => {
    const locks = first.createLocks(memoryAdapter());
    const lock = await locks.acquire('key');
    expect(await locks.tryAcquire('key', { owner: locks.createOwner() })).toBeUndefined();
    await lock.release();
    const again = await locks.acquire('key');
    expect(again.fencingToken! > lock.fencingToken!).toBe(true);
    await locks.close();
    await expect(locks.acquire('key')).rejects.toSatisfy((error) => second.isLockError(error, 'LOCK_CLOSED'));
  });
});

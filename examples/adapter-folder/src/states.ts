import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What is known of a key: who holds it, until when by the clock of the machine, and the token of the hold. */
export interface State {
  readonly key: string;
  /** Absent when the key was released. */
  readonly owner?: string | undefined;
  readonly token: number;
  readonly expiresAt: number;
}

/** One state, and which one it is. */
export interface Numbered extends State {
  readonly number: number;
}

// Digits in front, so that the order of the names is that of the numbers.
const nameOf = (number: number): string => String(number).padStart(16, '0');
const isNumber = (name: string): boolean => /^\d{16}$/.test(name);
// A reader may just be about to open the file before the last.
const kept = 8;

/** A key is a folder of numbered states, of which the last one counts. */
export class States {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  #folderOf(key: string): string {
    return join(this.folder, createHash('sha256').update(key).digest('hex'));
  }

  /** The last state of a key. */
  read(key: string): Promise<Numbered | undefined> {
    return this.#lastIn(this.#folderOf(key));
  }

  /** The last state of every key. */
  async readAll(): Promise<Numbered[]> {
    const folders = await readdir(this.folder).catch(emptyWhenAbsent);
    const all = await Promise.all(folders.map((name) => this.#lastIn(join(this.folder, name))));
    return all.filter((state) => state !== undefined);
  }

  /**
   * Writes the state after `last`, unless somebody else has: `link` makes a file with all of its content, or fails because the name is
   * taken. False: read again.
   */
  async write(last: Numbered | undefined, next: State): Promise<boolean> {
    const folder = this.#folderOf(next.key);
    const number = (last?.number ?? 0) + 1;
    const draft = join(folder, `draft-${randomBytes(8).toString('hex')}`);
    await mkdir(folder, { recursive: true });
    await writeFile(draft, JSON.stringify(next));
    try {
      await link(draft, join(folder, nameOf(number)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await rm(draft);
    }
    // Whoever was asleep since it read may have written a number that had been there before, and was deleted.
    const numbers = (await readdir(folder)).filter(isNumber).map(Number);
    if (Math.max(...numbers) >= number + kept) {
      await rm(join(folder, nameOf(number)), { force: true });
      return false;
    }
    for (const old of numbers) if (old <= number - kept) await rm(join(folder, nameOf(old)), { force: true });
    return true;
  }

  async #lastIn(folder: string): Promise<Numbered | undefined> {
    for (;;) {
      const last = (await readdir(folder).catch(emptyWhenAbsent)).filter(isNumber).sort().at(-1);
      if (last === undefined) return undefined;
      try {
        return { ...JSON.parse(await readFile(join(folder, last), 'utf8')), number: Number(last) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // else it is long past: read again
      }
    }
  }
}

function emptyWhenAbsent(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

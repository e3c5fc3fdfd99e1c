import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdfast, holdfastWords, temporaryFolder } from './support.ts';

const folder = temporaryFolder();
const run = promisify(execFile);

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await holdfast(['completion', shell]);
    writeFileSync(folder.file(`${shell}.txt`), stdout);
  }
}, 120_000);
afterAll(() => folder[Symbol.dispose]());

/** How each shell says what it would offer for a line. The scripts ask `holdfast`, which is not on the PATH here. */
const asks: Readonly<Record<string, (words: readonly string[]) => Promise<string[]>>> = {
  async bash(words) {
    // Of the package bash-completion, only this function is used.
    const script = `
      _get_comp_words_by_ref() { words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=\${words[cword]}; prev=\${words[cword - 1]}; }
      compopt() { :; }
      holdfast() { ${holdfastWords.map((word) => `'${word}'`).join(' ')} "$@"; }
      source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); __holdfast_complete; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return lines((await run('bash', ['-c', script, folder.file('bash.txt'), ...words])).stdout);
  },
  async fish(words) {
    const script = `function holdfast; ${holdfastWords.map((word) => `'${word}'`).join(' ')} $argv; end; source ${folder.file('fish.txt')}; complete -C "$argv"`;
    return lines((await run('fish', ['-c', script, words.join(' ')])).stdout);
  },
  async zsh(words) {
    // The completion calls this with what it offers; a terminal is needed for more.
    const script = `
      compdef() { :; }
      _describe() { print -rl -- "\${completions[@]}"; }
      holdfast() { ${holdfastWords.map((word) => `'${word}'`).join(' ')} "$@"; }
      source "$0"; words=("$@"); CURRENT=$#; _holdfast`;
    return lines((await run('zsh', ['-f', '-c', script, folder.file('zsh.txt'), ...words])).stdout);
  },
};

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

function installed(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', 'true']);
    return true;
  } catch {
    return false;
  }
}

describe('completion', { timeout: 60_000 }, () => {
  for (const [shell, ask] of Object.entries(asks)) {
    if (!installed(shell)) {
      it(`${shell} is not installed here: only that there is a script`, async () => {
        const { code, stdout } = await holdfast(['completion', shell]);
        expect([code, stdout.includes('holdfast complete -- ')]).toEqual([0, true]);
      });
      continue;
    }
    it(`${shell} offers commands, options and their values`, async () => {
      const offers = async (...words: string[]) => (await ask(words)).join(' ').split(/[\s:()']+/);
      expect(await offers('holdfast', '')).toEqual(expect.arrayContaining(['run', 'list', 'doctor']));
      expect((await offers('holdfast', 'run', 'k', '--on-')).join(' ')).toContain('--on-lost');
      expect(await offers('holdfast', 'run', 'k', '--on-lost', '')).toEqual(expect.arrayContaining(['kill', 'warn']));
      expect(await offers('holdfast', 'completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']));
    });
  }

  it.each(Object.keys(asks).filter(installed))('%s completes the command after --', async (shell) => {
    const found = (await asks[shell]!(['holdfast', 'run', 'k', '--', 'slee'])).map((line) => line.split('\t')[0]);
    expect(found).toContain('sleep');
  });

  it('another shell is wrong usage', async () => {
    expect(await holdfast(['completion', 'tcsh'])).toMatchObject({ code: 64, stdout: '' });
  });
});

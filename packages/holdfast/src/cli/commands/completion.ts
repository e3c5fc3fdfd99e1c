import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { helpText } from '../help-text.ts';
import { print } from '../output.ts';

const help = `
At each Tab the shell asks holdfast itself, so the completion is never out of date. For bash, it needs the package bash-completion.

Examples:
  In ~/.bashrc:
    source <(holdfast completion bash)
  In ~/.zshrc, after compinit:
    source <(holdfast completion zsh)
  Once, for fish:
    cd ~/.config/fish/completions
    holdfast completion fish > holdfast.fish
`;

/** Adds `holdfast completion <shell>`, and the hidden command that the shells call, to a program with all other commands. */
export function addCompletion(program: Command): void {
  const { commands } = program;
  const before = commands.length;
  const words = tab(program, { completionCommandName: 'completion' });
  const [script, answer] = commands.slice(before) as [Command, Command];
  script
    .description('Print the completion script of a shell.')
    .showHelpAfterError('(see holdfast completion --help)')
    .addHelpText('after', helpText(help))
    .action((shell: string) => {
      words.setup('holdfast', 'holdfast', shell);
      // If holdfast has nothing to offer, bash completes file names.
      if (shell === 'bash') print('complete -o default -F __holdfast_complete holdfast');
    });
  answer.action((line: string[]) => {
    const dashes = line.indexOf('--');
    for (const command of commands) {
      const shown = words.commands.get(command.name());
      if (shown !== undefined && command.summary() !== '') shown.description = command.summary();
    }
    if (dashes < 0) return words.parse(line);
    // The words of another command: its name, or whatever the shell completes by itself.
    if (dashes === line.length - 2) for (const name of executables(line.at(-1)!)) print(name);
    print(':0');
  });
}

/** The commands that begin with a word, as the shell would find them. */
function executables(word: string): string[] {
  if (word === '' || word.includes('/')) return [];
  return (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => namesIn(folder).filter((name) => name.startsWith(word) && isExecutable(join(folder, name))))
    .filter((name, i, all) => all.indexOf(name) === i);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

import { Argument, Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { type CommandWords, wordsOf } from '../completion/tree.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { print } from '../output.ts';

const shells: Readonly<Record<string, (commands: readonly CommandWords[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

const help = `
Examples:
  source <(holdfast completion bash)                                     in ~/.bashrc
  source <(holdfast completion zsh)                                      in ~/.zshrc, after compinit
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish    once
`;

/** `holdfast completion <shell>`: the completion script of a shell. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('Print the completion script of a shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)))
    .addHelpText('after', help)
    .action(async (shell: string) => {
      // At the time of the call: the program is made of the commands, this one among them.
      const { buildWholeProgram } = await import('../program.ts');
      print(shells[shell]!(wordsOf(await buildWholeProgram())).trimEnd());
    });
}

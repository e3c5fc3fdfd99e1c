import type { CommandWords } from './tree.ts';

/** The completion for fish. */
export function fishCompletion(commands: readonly CommandWords[]): string {
  return `# Completion of holdfast for fish: put it into ~/.config/fish/completions/holdfast.fish, or source it.
function __holdfast_after_dashes
    contains -- -- (commandline -opc)
end
function __holdfast_command
    set -l words (commandline -opc)
    set -e words[1..(contains -i -- -- $words)]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end
complete -c holdfast -f
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ name, summary, options, choices, runsCommand }: CommandWords): string[] {
  const here = `'__fish_seen_subcommand_from ${name}; and not __holdfast_after_dashes'`;
  const lines = [`complete -c holdfast -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`];
  if (choices.length > 0) lines.push(`complete -c holdfast -n ${here} -a ${quoted(choices.join(' '))}`);
  if (runsCommand) lines.push(`complete -c holdfast -n __holdfast_after_dashes -x -a '(__holdfast_command)'`);
  for (const option of options) {
    const flags = option.flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
    const value =
      option.value === undefined
        ? ''
        : ` -x${option.choices.length > 0 ? ` -a ${quoted(option.choices.join(' '))}` : ''}`;
    lines.push(`complete -c holdfast -n ${here} ${flags.join(' ')}${value} -d ${quoted(option.summary)}`);
  }
  return lines;
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

import type { CommandWords, OptionWords } from './tree.ts';

/** The completion for zsh. */
export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef holdfast
# Completion of holdfast for zsh: put it as _holdfast into a folder of $fpath, or source it after compinit.
_holdfast() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${commands.map(caseOf).join('\n')}
  esac
}
if [[ $funcstack[1] == _holdfast ]]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
`;
}

function caseOf({ name, options, choices, runsCommand }: CommandWords): string {
  const rest = runsCommand
    ? [`'1:key:'`, `'*::command:_normal'`]
    : [choices.length > 0 ? `'1:choice:(${choices.join(' ')})'` : `'1:: :'`];
  return `    ${name})
      _arguments -S ${[...options.map(specOf), ...rest].join(' \\\n        ')}
      ;;`;
}

function specOf({ flags, summary, value, choices }: OptionWords): string {
  const alternatives = flags.length > 1 ? `{${flags.join(',')}}` : flags[0]!;
  const excluded = flags.length > 1 ? `'(${flags.join(' ')})'` : '';
  const explained = `[${summary.replace(/[[\]\\]/g, '\\$&')}]`;
  const argument = value === undefined ? '' : `:${value}:${choices.length > 0 ? `(${choices.join(' ')})` : ' '}`;
  return `${excluded}${alternatives}${quoted(explained + argument)}`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

import type { CommandWords, OptionWords } from './tree.ts';

/** The completion for zsh. */
export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef holdfast
# Completion of holdfast for zsh: put it as _holdfast into a folder of $fpath, or source it after compinit.
_holdfast() {
  local -a known=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command known
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
  const first = choices.length > 0 ? `'1:choice:(${choices.join(' ')})'` : `'1:: :'`;
  const afterDashes = `      local dashes=\${words[(i)--]}
      if (( dashes < CURRENT )); then
        words=("\${(@)words[dashes + 1, -1]}")
        (( CURRENT -= dashes ))
        _normal
        return
      fi
`;
  return `    ${name})
${runsCommand ? afterDashes : ''}      _arguments ${[...options.map(specOf), first].join(' \\\n        ')}
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

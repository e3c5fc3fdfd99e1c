import type { CommandWords } from './tree.ts';

/** The completion for bash; it needs no other package. */
export function bashCompletion(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name);
  return `# Completion of holdfast for bash: source this file, or put it into /etc/bash_completion.d.
_holdfast() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} words='' i
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    words='${names.join(' ')} --help --version'
  else
    case $command in
${commands.map(caseOf).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _holdfast holdfast
`;
}

function caseOf({ name, options, choices, runsCommand }: CommandWords): string {
  const flags = options.flatMap((option) => option.flags);
  const values = options
    .filter(({ value }) => value !== undefined)
    .map((option) => `          ${option.flags.join('|')}) words='${option.choices.join(' ')}' ;;`);
  const afterDashes = `        for (( i = 2; i < COMP_CWORD; i++ )); do
          if [[ \${COMP_WORDS[i]} == -- ]]; then
            (( i + 1 == COMP_CWORD )) && COMPREPLY=($(compgen -c -- "$current"))
            return
          fi
        done`;
  return `      ${name})
${runsCommand ? `${afterDashes}\n` : ''}        case $previous in
${values.map((line) => `${line}\n`).join('')}          *) words='${[...choices, ...flags].join(' ')}' ;;
        esac
        ;;`;
}

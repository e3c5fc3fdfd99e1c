import type { Command } from 'commander';

/** What a shell needs to know of one command. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  /** The fixed values of its first argument; empty when that can be anything. */
  readonly choices: readonly string[];
  /** After `--` another program's command line follows. */
  readonly runsCommand: boolean;
}

/** What a shell needs to know of one option. */
export interface OptionWords {
  readonly flags: readonly string[];
  readonly summary: string;
  /** How its value is called; `undefined` when it has none. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
}

/** Reads a program's commands and options, so that the completion knows what `--help` knows. */
export function wordsOf(program: Command): CommandWords[] {
  const help = program.createHelp();
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary() || firstSentence(command.description()),
    options: help.visibleOptions(command).map(({ short, long, description, required, argChoices }) => ({
      flags: [long, short].filter((flag) => flag !== undefined),
      summary: firstSentence(description),
      value: required ? long?.replace('--', '') : undefined,
      choices: argChoices ?? [],
    })),
    choices: command.registeredArguments[0]?.argChoices ?? [],
    runsCommand: command.registeredArguments.some((argument) => argument.name() === 'command'),
  }));
}

function firstSentence(text: string): string {
  return text.split(/[.\n](?:\s|$)/)[0]!;
}

import { writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import { Failure } from '../failure.ts';
import { note, withoutPasswords, writeText } from '../output.ts';

/** An option `--name [file]`: the report is written to the file or, without one, to stdout. */
export function outputOption(name: string, what: string): Option {
  return new Option(`--${name} [file]`, `${what}; to stdout without a file`);
}

/** `true`: to stdout. */
export type Output = string | true | undefined;

/** At most one report can go to stdout, and a lock URL is not the name of a file. @throws Failure */
export function checkOutputs(outputs: readonly Output[]): void {
  if (outputs.filter((output) => output === true).length > 1) {
    throw new Failure(
      'Of --json, --markdown and --badge only one can go to stdout: give the others a file, such as --badge badge.json.',
    );
  }
  if (outputs.some((output) => typeof output === 'string' && output.includes('://'))) {
    throw new Failure('The target comes first: holdfast conformance <url> --json.');
  }
}

/** Writes a report to the place that its option names, without any password. */
export async function writeOutput(output: Output, text: string): Promise<void> {
  if (output === undefined) return;
  const clean = withoutPasswords(text);
  if (output === true) return writeText(clean, 'stdout');
  try {
    await writeFile(output, clean);
  } catch (error) {
    throw new Failure(`The report cannot be written: ${(error as Error).message}`);
  }
  note(`wrote ${output}`);
}

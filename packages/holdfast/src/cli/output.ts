import { writeSync } from 'node:fs';
import { styleText } from 'node:util';
import { passwordIn, secretForms } from '../secrets.ts';

// `stdout` is for answers, and `stderr` for everything else. No other file of the command line writes to them.
const { stdout, stderr } = process;

/** One line of the answer. */
export function print(line = ''): void {
  stdout.write(`${line}\n`);
}

/** One line of an answer that must arrive. @throws when nobody reads it */
export function deliver(line: string): void {
  writeSync(1, `${line}\n`);
}

/** The answer as JSON on one line. */
export function printJson(value: unknown): void {
  print(toJson(value));
}

/** One line about the progress, on stderr, so that it does not disturb the reader of the answer. */
export function note(line: string): void {
  stderr.write(`${withoutPasswords(line)}\n`);
}

/** The same as JSON. */
export function noteJson(value: unknown): void {
  note(toJson(value));
}

/** Text of a library, which contains its own line ends. */
export function writeText(text: string, to: 'stdout' | 'stderr'): void {
  if (to === 'stdout') stdout.write(text);
  else stderr.write(withoutPasswords(text));
}

/** Whether a person reads the answer, so that screens may be redrawn. */
export function isTerminal(): boolean {
  return stdout.isTTY === true;
}

/** The width of text: that of the terminal, up to a width that is easy to read. */
function terminalWidth(): number {
  return Math.min(stdout.columns ?? 80, 100);
}

/** Text in lines that fit beside an indent, broken between words. */
export function wrapped(text: string, indent: number = 0): string[] {
  const width = Math.max(30, terminalWidth() - indent);
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

let drawn = 0;

/** Replaces the lines drawn before. Lines are cut at the width of the terminal, so that they can be replaced again. */
export function redraw(lines: readonly string[]): void {
  const up = drawn === 0 ? '' : `\x1b[${drawn}A`;
  // Without wrapping, each line takes one row, whatever the width of its characters.
  stdout.write(`\x1b[?7l${up}\x1b[J${lines.join('\n')}\n\x1b[?7h`);
  drawn = lines.length;
}

type Format = Parameters<typeof styleText>[0];

/** Coloured if stdout is a terminal with colours and NO_COLOR is not set. */
export function styled(format: Format, text: string): string {
  return styleText(format, text, { stream: stdout });
}

/** The same for stderr. */
export function styledNote(format: Format, text: string): string {
  return styleText(format, text, { stream: stderr });
}

/** A key or an owner in a safe form: invisible characters can neither move the cursor nor reverse the line. */
export function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** A reader that stops early (`holdfast list | head`) is not a failure, and nothing ends because nobody reads our notes. */
export function endQuietlyOnClosedPipe(onOtherError: (error: NodeJS.ErrnoException) => never): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    onOtherError(error);
  });
  stderr.on('error', () => {});
}

/** A message without any password of an argument or of LOCK_URL, wherever the message comes from. */
export function withoutPasswords(text: string): string {
  return [...process.argv.slice(2), process.env.LOCK_URL ?? '']
    .flatMap((source) => secretForms(passwordIn(source)))
    .sort((a, b) => b.length - a.length)
    .reduce((left, secret) => left.replaceAll(secret, '***'), text);
}

/** JSON on one line; a `bigint` becomes a string of digits, since tokens can exceed what a double holds. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? part.toString() : part));
}

import { writeSync } from 'node:fs';
import { styleText } from 'node:util';
import { passwordIn, secretForms } from '../secrets.ts';

// `stdout` is for answers, `stderr` for all else. No other file of the command line writes.
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

/** One line about what goes on, on stderr: it does not disturb whoever reads the answer. */
export function note(line: string): void {
  stderr.write(`${withoutPasswords(line)}\n`);
}

/** The same as JSON. */
export function noteJson(value: unknown): void {
  note(toJson(value));
}

/** Text of a library, which ends its lines itself. */
export function writeText(text: string, to: 'stdout' | 'stderr'): void {
  if (to === 'stdout') stdout.write(text);
  else stderr.write(withoutPasswords(text));
}

/** Whether a person looks at the answer; then screens may be redrawn. */
export function isTerminal(): boolean {
  return stdout.isTTY === true;
}

/** How wide text may be: as wide as the terminal, but no wider than reads well. */
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

/** Lines in the place of those drawn before, cut at the width of the terminal so that they can be found again. */
export function redraw(lines: readonly string[]): void {
  const up = drawn === 0 ? '' : `\x1b[${drawn}A`;
  // Without wrapping a line is a line, whatever width its characters have.
  stdout.write(`\x1b[?7l${up}\x1b[J${lines.join('\n')}\n\x1b[?7h`);
  drawn = lines.length;
}

type Format = Parameters<typeof styleText>[0];

/** Coloured where stdout is a terminal that shows colours and NO_COLOR is not set. */
export function styled(format: Format, text: string): string {
  return styleText(format, text, { stream: stdout });
}

/** The same for stderr. */
export function styledNote(format: Format, text: string): string {
  return styleText(format, text, { stream: stderr });
}

/** A key or an owner as it may be shown: what is no visible character cannot move the cursor, nor turn the line round. */
export function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** A reader that has enough (`holdfast list | head`) is no failure, and nothing that runs ends because nobody reads our notes. */
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

#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkHistory, readHistoryFiles, renderHtml, renderText } from './history/index.ts';

const usage = `Checks recorded histories of locks: no two owners at once, fencing tokens that rise, no stale write that was accepted.

  holdfast-check-history FILE.jsonl… [--skew-ms MS] [--strict] [--fifo] [--html PAGE]

  --skew-ms  how far the clocks of the files may be apart; default 0
  --strict   also: each refusal met a holder
  --fifo     also: grants follow the order of the queue
  --html     writes a page of the violations

The format of a file is described in the README of @holdfast/conformance. Exit codes: 0 valid; 1 invalid, or not decided; 64 wrong usage.
`;

/** Wrong usage, or a file that is no history: says so and ends. */
function refuse(message: string): never {
  process.stderr.write(`${message}\n\n${usage}`);
  process.exit(64);
}

const options = {
  'skew-ms': { type: 'string' },
  strict: { type: 'boolean' },
  fifo: { type: 'boolean' },
  html: { type: 'string' },
  help: { type: 'boolean' },
} as const;

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function read(files: readonly string[]) {
  try {
    return readHistoryFiles(...files);
  } catch (error) {
    return refuse((error as Error).message);
  }
}

const { values, positionals } = parse();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
if (positionals.length === 0) refuse('Name the files of a history.');
const skewMs = Number(values['skew-ms'] ?? 0);
if (!(skewMs >= 0)) refuse(`--skew-ms must be a number of 0 or more, not "${values['skew-ms']}"`);

const { verdict, violations, undecided, history } = checkHistory(read(positionals), {
  skewMs,
  strict: values.strict,
  fifo: values.fifo,
});
for (const violation of violations) process.stdout.write(`${renderText(history, violation)}\n\n`);
for (const key of undecided) process.stdout.write(`not decided for ${key}: the search was too large\n`);
if (values.html !== undefined) writeFileSync(values.html, renderHtml(history, violations));
process.stdout.write(`${verdict}: ${history.holds.length} holds, ${violations.length} violations\n`);
process.exitCode = verdict === 'valid' ? 0 : 1;

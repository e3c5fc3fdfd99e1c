import { binary, binaryNames, presentBinary } from './binaries.ts';

// Fetches every server program that is missing, ahead of the tests; does nothing when all are there.
for (const name of binaryNames) {
  const present = presentBinary(name);
  if (present) {
    process.stdout.write(`${name}: found (${present.source})\n`);
    continue;
  }
  process.stdout.write(`${name}: downloading …\n`);
  try {
    await binary(name);
    process.stdout.write(`${name}: downloaded\n`);
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

import { binary, binaryNames, presentBinary } from './binaries.ts';
import { postgresBuild, postgresMajors } from './postgres-builds.ts';

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

// The oldest and the newest PostgreSQL; `npm run test:all` fetches the others when it comes to them.
for (const major of [postgresMajors[0], postgresMajors.at(-1)]) {
  try {
    const { path } = await postgresBuild(major!);
    process.stdout.write(`postgres ${major}: ${path}\n`);
  } catch (error) {
    process.stderr.write(`postgres ${major}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

#!/usr/bin/env node
import { exitCodes } from './exit-codes.ts';
import { Failure, report } from './failure.ts';
import { endQuietlyOnClosedPipe } from './output.ts';
import { buildProgram, wantsJson } from './program.ts';

endQuietlyOnClosedPipe((error) => {
  throw new Failure(`The answer cannot be written (${error.code}).`, exitCodes.notWritten);
});
// Deprecations of client libraries: the user of a command cannot fix them.
process.noDeprecation = true;
// The timers of locks do not keep the process alive, and an unreachable server leaves nothing else to wait for.
const keepAlive = setInterval(() => {}, 60_000);
const args = process.argv.slice(2);
// Client libraries throw from their event handlers, too.
process.on('uncaughtException', (error) => {
  process.exitCode = report(error, wantsJson(args));
  process.exit();
});
try {
  const program = await buildProgram(args);
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  process.exitCode = report(error, wantsJson(args));
}
clearInterval(keepAlive);
// A client library may still wait for a server that does not answer.
setTimeout(() => process.exit(), 1_000).unref();

#!/usr/bin/env node
import { report } from './failure.ts';
import { endQuietlyOnClosedPipe } from './output.ts';
import { buildProgram } from './program.ts';

endQuietlyOnClosedPipe();
// Of client libraries; whoever runs a command cannot mend them.
process.noDeprecation = true;
// The timers of locks keep no process alive, and a server that is away leaves nothing else to wait for.
const awake = setInterval(() => {}, 2 ** 30);
const args = process.argv.slice(2);
try {
  const program = await buildProgram(args);
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  const ownArgs = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  process.exitCode = report(error, ownArgs.includes('--json'));
}
clearInterval(awake);
// Unless nothing is left to do by then. A client library may still wait for a server that does not answer.
setTimeout(() => process.exit(), 1_000).unref();

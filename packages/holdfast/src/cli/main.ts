#!/usr/bin/env node
import { report } from './failure.ts';
import { endQuietlyOnClosedPipe } from './output.ts';
import { buildProgram } from './program.ts';

endQuietlyOnClosedPipe();
const args = process.argv.slice(2);
try {
  const program = await buildProgram(args);
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  const ownArgs = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  process.exitCode = report(error, ownArgs.includes('--json'));
}

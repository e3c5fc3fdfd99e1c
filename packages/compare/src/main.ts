// `pnpm bench` and `pnpm compare`. Servers and subjects go when it ends, however it ends.
import { Command } from 'commander';
import { bench, suites } from './bench.ts';
import { compare } from './compare/compare.ts';
import { type BenchOptions, benchCommand, type CompareOptions, compareCommand } from './options.ts';

let code = 0;
const program = new Command('pnpm')
  .addCommand(
    benchCommand(Object.keys(suites)).action(async (options: BenchOptions) => {
      code = await bench(options);
    }),
  )
  .addCommand(
    compareCommand().action(async (options: CompareOptions) => {
      code = await compare(options);
    }),
  );
// pnpm passes the `--` of `pnpm bench -- --quick` on.
await program.parseAsync(
  process.argv.slice(2).filter((argument) => argument !== '--'),
  { from: 'user' },
);
// Exit explicitly: Node 20 was seen to spin without end when it frees sockets that clients left open (Environment::CleanupHandles).
process.exit(code);

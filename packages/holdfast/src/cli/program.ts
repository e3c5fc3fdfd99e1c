import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { writeText } from './output.ts';

/** Every command, by its name. One is loaded when it is called, so that `holdfast run` starts without the others. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./commands/run.ts')).runCommand(),
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand(),
  list: async () => (await import('./commands/list.ts')).listCommand(),
  watch: async () => (await import('./commands/watch.ts')).watchCommand(),
  release: async () => (await import('./commands/release.ts')).releaseCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  completion: async () => (await import('./commands/completion.ts')).completionCommand(),
  conformance: async () => (await import('./commands/conformance.ts')).conformanceCommand(),
  compare: async () => (await import('./commands/compare.ts')).compareCommand(),
};

/** The whole command line. */
export function buildWholeProgram(): Promise<Command> {
  return buildProgram([]);
}

/** The command line with the command that `args` name, or with all of them, for help and completion. */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = emptyProgram();
  const called = Object.hasOwn(commands, args[0] ?? '') ? [args[0]!] : Object.keys(commands);
  for (const name of called) {
    const command = await commands[name]!();
    program.addCommand(command.copyInheritedSettings(program));
  }
  return program;
}

function emptyProgram(): Command {
  return new Command('holdfast')
    .description('Distributed locks over Redis, Redlock, ZooKeeper and etcd, from the command line.')
    .version(manifest.version)
    .exitOverride()
    .showHelpAfterError('(holdfast --help shows what there is)')
    .configureOutput({
      writeOut: (text) => writeText(text, 'stdout'),
      writeErr: (text) => writeText(text, 'stderr'),
    });
}

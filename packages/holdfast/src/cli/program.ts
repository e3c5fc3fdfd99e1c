import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { writeText } from './output.ts';

/** Every command by its name. Each is loaded when it is called, so that `holdfast run` starts without the others. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./commands/run.ts')).runCommand(),
  acquire: async () => (await import('./commands/acquire.ts')).acquireCommand(),
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand(),
  list: async () => (await import('./commands/list.ts')).listCommand(),
  watch: async () => (await import('./commands/watch.ts')).watchCommand(),
  release: async () => (await import('./commands/release.ts')).releaseCommand(),
  setup: async () => (await import('./commands/setup.ts')).setupCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  conformance: async () => (await import('./commands/conformance.ts')).conformanceCommand(),
  compare: async () => (await import('./commands/compare.ts')).compareCommand(),
};

/** The command line with the command that `args` names, or with all of them, for help and completion. */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = emptyProgram(wantsJson(args));
  const isOne = Object.hasOwn(commands, args[0] ?? '');
  for (const name of isOne ? [args[0]!] : Object.keys(commands)) {
    const command = await commands[name]!();
    program.addCommand(command.copyInheritedSettings(program).showHelpAfterError(`(see holdfast ${name} --help)`));
  }
  if (!isOne) (await import('./commands/completion.ts')).addCompletion(program);
  return program;
}

/** Whether our own arguments, which end at `--`, contain `--json`. */
export function wantsJson(args: readonly string[]): boolean {
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  return own.some((word) => word === '--json' || word.startsWith('--json='));
}

function emptyProgram(json: boolean): Command {
  return (
    new Command('holdfast')
      .description('Distributed locks over Redis, Redlock, ZooKeeper, etcd and PostgreSQL, from the command line.')
      .version(manifest.version, '-v, --version')
      .exitOverride()
      // Descriptions are wrapped in a narrow terminal too.
      .configureHelp({ minWidthToWrap: 20, subcommandTerm: (command) => command.name() })
      .showHelpAfterError('(see holdfast --help)')
      .configureOutput({
        writeOut: (text) => writeText(text, 'stdout'),
        outputError: (text, write) => write(text.replace(/^error: /, 'holdfast: ')),
        // Under --json, the caller of the program reports the error, as one line of JSON.
        writeErr: (text) => {
          if (!json) writeText(text, 'stderr');
        },
      })
  );
}

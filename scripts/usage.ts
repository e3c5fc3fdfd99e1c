import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The arguments of a tool of this repository. `--help` ends it with its usage, and so does a wrong option, which is named first. */
export function readArguments<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  // pnpm passes the `--` of `pnpm stress -- --help` on.
  const args = process.argv.slice(2).filter((argument) => argument !== '--');
  if (args.includes('--help') || args.includes('-h')) {
    console.log(`Usage: ${usage}`);
    process.exit(0);
  }
  try {
    return parseArgs<T>({ ...config, args });
  } catch (error) {
    // Its first sentence: the others are about positional arguments.
    return wrongUsage(usage, (error as Error).message.split('. ')[0]!);
  }
}

/** Ends the tool with what is wrong and its usage. */
export function wrongUsage(usage: string, reason: string): never {
  console.error(`${reason}\nUsage: ${usage}`);
  process.exit(64);
}

/** Ends the tool unless each name is one of those that there are. */
export function checkNames(usage: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) wrongUsage(usage, `There is no ${unknown.join(', ')}; there are ${known.join(', ')}.`);
}

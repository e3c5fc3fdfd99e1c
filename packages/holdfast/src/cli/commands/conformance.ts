import { Command, InvalidArgumentError, Option } from 'commander';
import { schemeOf } from '../../lock-url.ts';
import { urlOption } from '../backend.ts';
import { whyNoProxy } from '../conformance/addresses.ts';
import { checkStress, type StressOptions } from '../conformance/check-stress.ts';
import { checkSuite, type SuiteOptions } from '../conformance/check-suite.ts';
import { moduleHarness } from '../conformance/module-harness.ts';
import { outputOption } from '../conformance/outputs.ts';
import { urlHarness } from '../conformance/url-harness.ts';
import { durationOption, positiveDurationOption } from '../durations.ts';
import { Failure } from '../failure.ts';
import { helpText } from '../help-text.ts';
import { note } from '../output.ts';
import { interruptible } from '../run/signals.ts';

interface Options extends SuiteOptions, Partial<Omit<StressOptions, 'json' | 'markdown'>> {
  readonly url?: string | undefined;
}

const faults = ['pause', 'cut', 'kill', 'freeze', 'restart'] as const;

const help = `
The suite is a separate package:
  npm install -D @holdfast/conformance @holdfast/lock-core

Examples:
  holdfast conformance redis://127.0.0.1:6379
  holdfast conformance ./my-harness.ts --markdown report.md
  holdfast conformance etcd://db --filter LK-0042,fencing,H1
  holdfast conformance redis://db --stress 60s --processes 4

A module exports a harness, or a function that returns one, as "default" or as "harness"; see the README of @holdfast/conformance.
The suite uses its own keys and leaves nothing behind. It injects faults through its own proxy and into its own processes, never into your server.

Exit codes: 0 conforms, or sound under stress; 1 does not; 64 wrong usage; 69 no backend; 78 a package is missing; 130 Ctrl-C.
`;

/** `holdfast conformance <url | module>`: checks whether an adapter keeps the contract. */
export function conformanceCommand(): Command {
  return new Command('conformance')
    .summary('Check an adapter or a backend against the contract.')
    .description(
      'Check an adapter or a backend against the contract: case by case, or by a random workload with faults.',
    )
    .argument('[target]', 'a lock URL, or a module that exports a harness, instead of --url')
    .addOption(urlOption())
    .option(
      '--filter <words>',
      'only the cases with one of these words in their id, rule, level, title or hazards; comma-separated',
    )
    .addOption(outputOption('json', 'the report as JSON'))
    .addOption(outputOption('markdown', 'the report as a page'))
    .addOption(outputOption('badge', 'a badge for shields.io, in the JSON format of its endpoint'))
    .addOption(
      durationOption('stress', 'use locks at random for this long, with faults, and check the history').conflicts([
        'filter',
        'badge',
      ]),
    )
    .addOption(countOption('processes', 'stress: processes that use locks (default: 4)'))
    .addOption(countOption('clients', 'stress: clients in each of them (default: 2)'))
    .addOption(countOption('keys', 'stress: keys that they contend for (default: 4)'))
    .addOption(nemesisOption())
    .option('--seed <text>', 'stress: determines the workload and the faults (default: random)')
    .addOption(positiveDurationOption('ttl', 'stress: the lease of the locks (default: the shortest, at least 1s)'))
    .option('--out <folder>', 'stress: where to put the evidence of a violation (default: holdfast-stress-<seed>)')
    .addHelpText('after', helpText(help))
    .action(conformance);
}

function countOption(name: string, description: string): Option {
  return new Option(`--${name} <n>`, description).argParser((text) => {
    if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
    throw new InvalidArgumentError('It must be a whole number from 1 to 99999.');
  });
}

function nemesisOption(): Option {
  return new Option(
    '--nemesis <list>',
    `stress: which of ${faults.join(', ')} to inject (default: all that are possible)`,
  ).argParser((text) => {
    const names = text.split(',').map((name) => name.trim());
    const wrong = names.find((name) => !(faults as readonly string[]).includes(name));
    if (wrong === undefined) return names;
    throw new InvalidArgumentError(`There is no fault "${wrong}". The faults are ${faults.join(', ')}.`);
  });
}

async function conformance(argument: string | undefined, options: Options): Promise<void> {
  const target = argument ?? options.url;
  if (target === undefined || target === '') {
    throw new Failure(
      'Check what? Name a lock URL, such as redis://127.0.0.1:6379, or a module that exports a harness.',
    );
  }
  const scheme = schemeOf(target);
  const isUrl = scheme !== undefined && scheme !== 'file' && scheme.length > 1;
  const { stress, nemesis } = options;
  const uncut = isUrl ? whyNoProxy(target) : undefined;
  if (uncut !== undefined && stress !== undefined && nemesis?.includes('cut')) {
    throw new Failure(`The fault "cut" cannot be injected on ${scheme}:, as ${uncut}.`);
  }
  const harness = isUrl ? await urlHarness(target) : await moduleHarness(target);
  try {
    process.exitCode = await interruptible((signal) => {
      signal.addEventListener('abort', onFirstCtrlC, { once: true });
      if (stress === undefined) return checkSuite(harness, options, signal);
      if (uncut !== undefined && nemesis === undefined) note(`Without the fault "cut": ${uncut}.`);
      return checkStress(harness, { ...options, stress }, signal);
    });
  } finally {
    const dispose = (harness as Partial<AsyncDisposable>)[Symbol.asyncDispose];
    await dispose?.call(harness);
  }
}

function onFirstCtrlC(): void {
  note('\nEnding: held locks are released first. Ctrl-C again exits at once.');
  process.once('SIGINT', () => process.exit(130));
}

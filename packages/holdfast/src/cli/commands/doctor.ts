import { Argument, Command } from 'commander';
import { type BackendOptions, requireUrl, withBackend } from '../backend.ts';
import { isAway, runChecks } from '../doctor/checks.ts';
import { resultLines } from '../doctor/render.ts';
import { readTarget } from '../doctor/target.ts';
import { exitCodes } from '../exit-codes.ts';
import { helpText } from '../help-text.ts';
import { lockJson } from '../lock-info.ts';
import { print, printJson } from '../output.ts';

const help = `
It checks what every server in the URL is, its round trip and its clock, looks for what puts locks at risk there, and acquires and
releases a lock of its own. It leaves nothing behind. It also shows the locks that have been held the longest.

Examples:
  holdfast doctor redis://db:6379
  holdfast doctor 'redlock://a:6379,b:6379,c:6379' --json
  LOCK_URL=etcd://etcd-1:2379,etcd-2:2379 holdfast doctor

Exit codes: 0 nothing critical, 1 a critical problem was found, 69 no server
answers.
`;

/** `holdfast doctor [url]`: what puts the locks of a backend at risk. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('Check a backend: whether it is reachable, how fast it is, and what puts locks at risk there.')
    .addArgument(new Argument('[url]', 'the backend, instead of --url'))
    .addHelpText('after', helpText(help));
  return withBackend(command).action(doctor);
}

async function doctor(url: string | undefined, options: BackendOptions): Promise<void> {
  const target = readTarget(requireUrl(url ?? options.url));
  const result = await runChecks(target);
  const { holds, ...rest } = result;
  const held = holds?.infos.map((info) => lockJson(info.key, info));
  if (options.json) printJson({ address: target.address, ...rest, held });
  else for (const line of resultLines(target.address, result)) print(line);
  const isCritical = result.findings.some(({ severity }) => severity === 'critical');
  process.exitCode = isAway(result) ? exitCodes.unavailable : isCritical ? exitCodes.no : exitCodes.ok;
}

import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Waits until the pipe from this process closes, which happens however this process ends. Then it kills the servers
// (SIGKILL works on stopped ones too) and removes their folders. The rename comes first: a server that is just being
// launched either wrote its pid before, or finds no folder and gives up.
const janitor = `
trap '' HUP INT TERM
while read -r line; do :; done
mv "$1" "$1.dead" || exit 0
for file in "$1.dead"/*/pid*; do
  [ -s "$file" ] && kill -KILL "$(cat "$file")"
done
tries=0
until rm -rf "$1.dead" || [ $tries = 50 ]; do tries=$((tries + 1)); sleep 0.1; done`;

/** The shell program that runs a server in place of itself, once its pid is written where the janitor looks. */
export const launcher = 'echo $$ > "$1/pid" && shift && exec "$@"';

let base: string | undefined;

/** A new, empty temporary folder for one server; it goes, with the server in it, when this process ends in any way. */
export function serverFolder(name: string): string {
  base ??= newBase();
  return mkdtempSync(join(base, `${name}-`));
}

function newBase(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
  // Detached: Ctrl-C in a terminal reaches the whole process group, and the janitor must outlive it.
  const child = spawn('/bin/sh', ['-c', janitor, 'janitor', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.unref();
  (child.stdin as Socket).unref();
  return folder;
}

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';

/** Where and with what was measured. */
export interface Machine {
  readonly cpu: string;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
  /** Average of the minute before the start: work beside the bench makes its figures worse. */
  readonly load: number;
  readonly clients: Readonly<Record<string, string>>;
}

const clients = ['ioredis', 'ioredis-5', 'redis', 'redis-5', 'etcd3', 'node-zookeeper-client', 'pg', 'redlock'];

/** This machine; `more` are packages whose versions matter, too. */
export function thisMachine(more: readonly string[] = []): Machine {
  const processors = cpus();
  return {
    cpu: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown processor'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    node: process.version,
    load: loadavg()[0] ?? 0,
    clients: Object.fromEntries([...clients, ...more].map((name) => [name, versionOf(name)])),
  };
}

/** From the manifest above the package's entry, since not every package exports its manifest. */
function versionOf(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    const file = join(folder, 'package.json');
    const { version } = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }) : {};
    if (version !== undefined) return version.replace(/^v/, '');
    if (folder === dirname(folder)) return 'unknown';
    folder = dirname(folder);
  }
}

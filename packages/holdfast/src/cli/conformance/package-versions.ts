import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The packages behind each of our adapters, by the name of the adapter. */
const packages: Readonly<Record<string, { readonly adapter: string; readonly clients: readonly string[] }>> = {
  memory: { adapter: '@holdfast/adapter-memory', clients: [] },
  ioredis: { adapter: '@holdfast/adapter-ioredis', clients: ['ioredis'] },
  'node-redis': { adapter: '@holdfast/adapter-node-redis', clients: ['redis'] },
  redlock: { adapter: '@holdfast/adapter-redlock', clients: ['ioredis', 'redis'] },
  zookeeper: { adapter: '@holdfast/adapter-zookeeper', clients: ['node-zookeeper-client'] },
  etcd: { adapter: '@holdfast/adapter-etcd', clients: ['etcd3'] },
  postgres: { adapter: '@holdfast/adapter-postgres', clients: ['pg'] },
};

/** Name and version of an adapter's package and of its client, as far as they are known. */
export function packageVersions(name: string): { adapter?: string | undefined; client?: string | undefined } {
  const known = Object.hasOwn(packages, name) ? packages[name] : undefined;
  if (known === undefined) return {};
  try {
    const entry = fileURLToPath(import.meta.resolve(known.adapter));
    const client = known.clients.map((each) => versionAt(() => createRequire(entry).resolve(each), each)).find(Boolean);
    return { adapter: versionAt(() => entry, known.adapter), client };
  } catch {
    return {};
  }
}

/** From the manifest above a package's entry, since not every package exports its manifest. */
function versionAt(entryOf: () => string, name: string): string | undefined {
  try {
    for (let folder = dirname(entryOf()); folder !== dirname(folder); folder = dirname(folder)) {
      const file = join(folder, 'package.json');
      const { version } = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }) : {};
      if (version !== undefined) return `${name} ${version}`;
    }
  } catch {
    // Not installed.
  }
  return undefined;
}

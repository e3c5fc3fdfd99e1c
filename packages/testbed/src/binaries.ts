import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { unpackDebianPackages, unpackedBundle } from './debian.ts';

/** What a server program needs to be started. */
export interface Binary {
  /** The program, or for ZooKeeper its class path. */
  readonly path: string;
  /** Environment variables to add, such as a library path. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it was found, for people. */
  readonly source: string;
}

interface Recipe {
  readonly title: string;
  readonly variable: string;
  readonly onSystem: () => string | undefined;
  /** Debian packages; of several lists the first that can be had. */
  readonly packages: readonly (readonly string[])[];
  readonly inBundle: (root: string) => Omit<Binary, 'source'> | undefined;
  readonly advice: string;
}

export type BinaryName = 'redis' | 'etcd' | 'zookeeper' | 'java' | 'postgres' | 'pgbouncer' | 'chromium';

const zookeeperJars = ['zookeeper', 'zookeeper-jute', 'slf4j-api', 'slf4j-simple', 'metrics-core', 'snappy-java'];

// What the server and initdb link that a minimal system may lack.
const postgresLibraries = [
  ...['libpq5', 'libxml2', 'libsasl2-2', 'libgssapi-krb5-2', 'libkrb5-3', 'libk5crypto3', 'libkrb5support0'],
  ...['libcom-err2', 'libkeyutils1'],
];

// What headless Chromium links that a minimal system may lack.
const chromiumLibraries = `
  libexpat1 libbrotli1 libffi8 libpcre2-8-0 libx11-xcb1 libdbus-1-3 libdouble-conversion3 libfontconfig1 libfreetype6
  libgbm1 libdrm2 libharfbuzz-subset0 libharfbuzz0b libgraphite2-3 libjpeg62-turbo libnspr4 libnss3
  libopus0 libpulse0 libsndfile1 libasyncns0 libogg0 libvorbis0a libvorbisenc2 libmp3lame0 libx11-6 libxau6 libxcb1
  libxcomposite1 libxdamage1 libxdmcp6 libxext6 libxfixes3 libxi6 libxkbcommon0 libxnvctrl0 libxrandr2 libxrender1
  libwayland-server0 libbsd0 libmd0
`
  .trim()
  .split(/\s+/);

const recipes: Record<BinaryName, Recipe> = {
  redis: {
    title: 'redis-server',
    variable: 'HOLDFAST_REDIS_SERVER',
    onSystem: () => onPath('redis-server'),
    // The package redis-server holds only a link to the program in redis-tools.
    packages: ['libssl3', 'libssl3t64'].map((ssl) => [
      'redis-server',
      'redis-tools',
      'libjemalloc2',
      'liblzf1',
      'libatomic1',
      ssl,
    ]),
    inBundle: (root) => program(join(root, 'usr/bin/redis-server'), { LD_LIBRARY_PATH: libraryFolders(root) }),
    advice: 'apt install redis-server | brew install redis',
  },
  etcd: {
    title: 'etcd',
    variable: 'HOLDFAST_ETCD',
    onSystem: () => onPath('etcd'),
    packages: [['etcd-server']],
    inBundle: (root) => program(join(root, 'usr/bin/etcd')),
    advice: 'apt install etcd-server | brew install etcd',
  },
  zookeeper: {
    title: 'ZooKeeper',
    variable: 'HOLDFAST_ZOOKEEPER_CLASSPATH',
    onSystem: () => jarsIn('/usr/share/java'),
    packages: [['libzookeeper-java', 'libslf4j-java', 'libdropwizard-metrics-java', 'libsnappy-java']],
    inBundle: (root) => {
      const path = jarsIn(join(root, 'usr/share/java'));
      return path === undefined ? undefined : { path, env: {} };
    },
    advice: `apt install zookeeper | brew install zookeeper and set the variable to "<its libexec>/lib/*"`,
  },
  java: {
    title: 'java',
    variable: 'HOLDFAST_JAVA',
    onSystem: () => onPath('java'),
    packages: [['openjdk-17-jre-headless'], ['openjdk-21-jre-headless'], ['openjdk-25-jre-headless']],
    inBundle: (root) => {
      const machines = join(root, 'usr/lib/jvm');
      const home =
        existsSync(machines) && readdirSync(machines).find((name) => existsSync(join(machines, name, 'bin')));
      return home ? program(join(machines, home, 'bin/java')) : undefined;
    },
    advice: 'apt install default-jre-headless | brew install openjdk',
  },
  postgres: {
    title: 'postgres',
    variable: 'HOLDFAST_POSTGRES',
    // Debian keeps the server off the PATH, in a folder per version.
    onSystem: () => onPath('postgres') ?? newestPostgres('/usr/lib/postgresql'),
    // Debian 12 and 13, Ubuntu 24.04 and 22.04.
    packages: [
      ['15', 'libicu72', 'libldap-2.5-0', 'libssl3'],
      ['17', 'libicu76', 'libldap2', 'libssl3t64'],
      ['16', 'libicu74', 'libldap2', 'libssl3t64'],
      ['14', 'libicu70', 'libldap-2.5-0', 'libssl3'],
    ].map(([version, ...libraries]) => [`postgresql-${version}`, ...libraries, ...postgresLibraries]),
    inBundle: (root) => {
      const path = newestPostgres(join(root, 'usr/lib/postgresql'));
      return path === undefined ? undefined : program(path, { LD_LIBRARY_PATH: libraryFolders(root) });
    },
    advice: 'apt install postgresql | brew install postgresql',
  },
  pgbouncer: {
    title: 'pgbouncer',
    variable: 'HOLDFAST_PGBOUNCER',
    onSystem: () => onPath('pgbouncer') ?? ['/usr/sbin/pgbouncer'].find(isProgram),
    packages: [
      ['libc-ares2', 'libevent-2.1-7', 'libssl3'],
      ['libcares2', 'libevent-2.1-7t64', 'libssl3t64'],
    ].map((libraries) => ['pgbouncer', ...libraries]),
    inBundle: (root) => program(join(root, 'usr/sbin/pgbouncer'), { LD_LIBRARY_PATH: libraryFolders(root) }),
    advice: 'apt install pgbouncer | brew install pgbouncer',
  },
  chromium: {
    title: 'Chromium',
    variable: 'HOLDFAST_CHROMIUM',
    onSystem: () =>
      ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']
        .map(onPath)
        .find((path) => path !== undefined),
    // Debian 12 and 13.
    packages: [
      'libdav1d6 libminizip1 libpng16-16 libflac12 libopenh264-7 libmpg123-0 libglib2.0-0 libasound2 libatk1.0-0 libatspi2.0-0',
      'libdav1d7 libminizip1t64 libpng16-16t64 libflac14 libopenh264-8 libmpg123-0t64 libglib2.0-0t64 libasound2t64 libatk1.0-0t64 libatspi2.0-0t64',
    ].map((own) => ['chromium-headless-shell', 'chromium-common', ...own.split(' '), ...chromiumLibraries]),
    inBundle: (root) =>
      program(join(root, 'usr/lib/chromium/chromium-headless-shell'), { LD_LIBRARY_PATH: libraryFolders(root) }),
    advice: 'apt install chromium | brew install --cask chromium',
  },
};

/** All servers that the testbed can start, in the order in which they are fetched. */
export const binaryNames: readonly BinaryName[] = ['redis', 'etcd', 'zookeeper', 'java', 'postgres', 'pgbouncer'];

/** A program that is there already: by its environment variable, on the system, or downloaded before. */
export function presentBinary(name: BinaryName, cache?: string): Binary | undefined {
  const recipe = recipes[name];
  const chosen = process.env[recipe.variable];
  if (chosen) return { path: chosen, env: {}, source: recipe.variable };
  const path = recipe.onSystem();
  if (path) return { path, env: {}, source: 'system' };
  const bundle = unpackedBundle(name, cache);
  const found = bundle && recipe.inBundle(bundle);
  return found ? { ...found, source: 'download' } : undefined;
}

/** A program, downloaded as Debian packages when it is not there; rejects with what to install when that fails. */
export async function binary(name: BinaryName, cache?: string): Promise<Binary> {
  const present = presentBinary(name, cache);
  if (present) return present;
  const recipe = recipes[name];
  const failures: unknown[] = [];
  for (const packages of recipe.packages) {
    try {
      const found = recipe.inBundle(await unpackDebianPackages(name, packages, cache));
      if (found) return { ...found, source: 'download' };
      failures.push(new Error(`the packages ${packages.join(', ')} do not hold it`));
    } catch (error) {
      failures.push(error);
    }
  }
  throw new Error(
    `${recipe.title} was not found: ${recipe.variable} is not set, the system has none, and Debian packages could ` +
      `not be downloaded (${firstLine(failures[0])}). Install it (${recipe.advice}), or set ${recipe.variable}, or ` +
      'run in a Debian container: docker run --rm -it -v "$PWD":/app -w /app node:20-bookworm bash',
    { cause: failures[0] },
  );
}

function onPath(file: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, file))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function program(path: string, env: Record<string, string> = {}): Omit<Binary, 'source'> | undefined {
  return isProgram(path) ? { path, env } : undefined;
}

function jarsIn(folder: string): string | undefined {
  const jars = zookeeperJars.map((name) => join(folder, `${name}.jar`));
  return jars.every((jar) => existsSync(jar)) ? jars.join(delimiter) : undefined;
}

function newestPostgres(versions: string): string | undefined {
  const names = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : [];
  return names.map((name) => join(versions, name, 'bin/postgres')).find(isProgram);
}

/** Some look for a library of PulseAudio in a folder of its own, where only an installed one would be. */
function libraryFolders(root: string): string {
  return ['usr/lib', 'lib']
    .map((folder) => join(root, folder))
    .filter((libraries) => existsSync(libraries))
    .flatMap((libraries) =>
      readdirSync(libraries)
        .filter((name) => name.includes('-linux-'))
        .flatMap((name) => [join(libraries, name), join(libraries, name, 'pulseaudio')]),
    )
    .join(delimiter);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').find((line) => line.startsWith('E: ')) ?? text.split('\n')[0] ?? '';
}

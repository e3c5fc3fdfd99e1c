import { defineConfig, type UserConfig } from 'tsdown';

/** The one build of every package: ESM for Node 20 with declarations; a `.lua` import is its text. */
export function libraryBuild(entry: string[] = ['src/index.ts'], more: UserConfig = {}): UserConfig {
  return defineConfig({
    entry,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    dts: true,
    sourcemap: true,
    clean: true,
    fixedExtension: false,
    loader: { '.lua': 'text' },
    logLevel: 'warn',
    ...more,
  }) as UserConfig;
}

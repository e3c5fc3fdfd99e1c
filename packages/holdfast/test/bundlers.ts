import { join } from 'node:path';
import commonjsPlugin from '@rollup/plugin-commonjs';
import jsonPlugin from '@rollup/plugin-json';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import webpack from 'webpack';

/**
 * Makes `bundle.mjs` in the folder `output`, and gives the warnings that name our packages. The README says how to leave out etcd3, and how
 * to turn off the warnings about adapters that are not installed.
 */
type Bundle = (entry: string, output: string) => Promise<string[]>;
const external = 'etcd3';

// Their types are those of the CommonJS build.
const commonjs = commonjsPlugin as unknown as typeof commonjsPlugin.default;
const json = jsonPlugin as unknown as typeof jsonPlugin.default;

// Our packages as they are installed, wherever the checkout is.
const ours = /@holdfast\/|node_modules\/holdfast\/|app\.mjs/;

// Clients are CommonJS, and what they require of Node stays a `require`, which an ES module must be given.
const banner = {
  js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
};

export const bundlers: Readonly<Record<'esbuild' | 'webpack' | 'Rollup', Bundle>> = {
  async esbuild(entry, output) {
    const { warnings } = await build({
      entryPoints: [entry],
      outfile: join(output, 'bundle.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
      external: [external],
      banner,
    });
    return warnings.map(({ text, location }) => `${location?.file}: ${text}`);
  },

  async webpack(entry, path) {
    const compiler = webpack({
      mode: 'none',
      target: 'node20',
      entry,
      output: { path, filename: 'bundle.mjs', module: true, chunkFormat: 'module' },
      experiments: { outputModule: true },
      externals: { [external]: `import ${external}` },
      ignoreWarnings: [{ message: /@holdfast\/adapter-/ }],
    });
    const stats = await new Promise<webpack.Stats>((resolve, reject) => {
      compiler.run((error, done) => (done === undefined ? reject(error) : resolve(done)));
    });
    await new Promise((resolve) => compiler.close(resolve));
    const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
    // Clients try to load packages that are optional for them.
    return [...errors, ...warnings]
      .map(({ moduleName, message }) => `${moduleName}: ${message}`)
      .filter((text) => ours.test(text));
  },

  async Rollup(input, dir) {
    const warnings: string[] = [];
    const bundle = await rollup({
      input,
      external: [external],
      // Rollup also warns of what is in the clients, such as their circular imports.
      onLog: (_level, { code, exporter, message, ids = [] }) => {
        if (code === 'UNRESOLVED_IMPORT' && exporter?.startsWith('@holdfast/adapter-')) return;
        if ([message, ...ids].some((text) => ours.test(text))) warnings.push(message);
      },
      plugins: [nodeResolve({ exportConditions: ['node'] }), commonjs(), json()],
    });
    await bundle.write({ dir, entryFileNames: 'bundle.mjs', chunkFileNames: '[name].mjs' });
    await bundle.close();
    return warnings;
  },
};

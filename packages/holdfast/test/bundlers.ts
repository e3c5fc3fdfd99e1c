import { join } from 'node:path';
import commonjsPlugin from '@rollup/plugin-commonjs';
import jsonPlugin from '@rollup/plugin-json';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import webpack from 'webpack';

/** Makes `bundle.mjs` in the folder `output`, and gives the warnings that name our packages. */
type Bundle = (entry: string, output: string) => Promise<string[]>;

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
    });
    const stats = await new Promise<webpack.Stats>((resolve, reject) => {
      compiler.run((error, done) => (done === undefined ? reject(error) : resolve(done)));
    });
    await new Promise((resolve) => compiler.close(resolve));
    const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
    return [...errors, ...warnings].map(({ moduleName, message }) => `${moduleName}: ${message}`);
  },

  async Rollup(input, dir) {
    const warnings: string[] = [];
    const bundle = await rollup({
      input,
      // Rollup also warns of what is in the clients, such as their circular imports.
      onLog: (_level, { message, ids = [] }) => {
        if ([message, ...ids].some((text) => ours.test(text))) warnings.push(message);
      },
      plugins: [nodeResolve({ exportConditions: ['node'] }), commonjs(), json()],
    });
    await bundle.write({ dir, entryFileNames: 'bundle.mjs', chunkFileNames: '[name].mjs' });
    await bundle.close();
    return warnings;
  },
};

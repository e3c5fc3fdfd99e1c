// `pnpm docs:build` builds the site into .cache/site-dist; `pnpm docs:dev` serves it and follows changes of the documents.
import { watch } from 'node:fs';
import { join } from 'node:path';
import { build, createServer, serve } from 'vitepress';
import { root } from '../test/workspace.ts';
import { stage } from './site/stage.ts';

const docs = join(root, 'docs');
stage();
const command = process.argv[2];
if (command === 'dev') {
  const server = await createServer(docs);
  await server.listen();
  server.printUrls();
  for (const folder of ['docs', 'packages', 'examples']) {
    watch(join(root, folder), { recursive: true }, (_event, file) => {
      if (file?.endsWith('.md')) stage();
    });
  }
} else if (command === 'preview') {
  await serve({ root: docs });
} else {
  await build(docs);
}

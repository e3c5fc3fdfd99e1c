// A third party's adapter module, as `{ adapter: './acme-adapter.mjs' }` names it.
import { memoryAdapter } from '@holdfast/adapter-memory';

export function createAdapter(options) {
  if (options.failWith !== undefined) {
    const cause = Object.assign(new Error(`AUTH ${options.failWith}`), { command: { args: [options.failWith] } });
    throw new Error(`no access with ${options.failWith}`, { cause });
  }
  return { ...memoryAdapter(), name: `acme ${JSON.stringify(options)}` };
}

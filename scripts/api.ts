// `pnpm api`: writes the API reference, docs/api, from the docstrings. Fails for an export without one.
import { makeReference, referenceFolder } from './api-reference.ts';

const wrong = await makeReference(referenceFolder);
for (const message of wrong) console.error(message);
if (wrong.length > 0) process.exitCode = 1;

import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { cases } from '../packages/conformance/src/index.ts';
import { backends, queueFaults } from './queue-faults.ts';

it.each(queueFaults)('$fault: each backend has a test, or a reason why it cannot happen', ({ all, on }) => {
  const ids = new Set<string>(cases.map(({ id }) => id));
  for (const backend of backends) {
    const covers = on?.[backend] ?? all;
    expect(covers, backend).toBeDefined();
    if (covers === undefined || 'impossible' in covers) continue;
    expect(covers.length, backend).toBeGreaterThan(0);
    for (const cover of covers) {
      if (typeof cover === 'string') expect(ids, backend).toContain(cover);
      else {
        const [file, title] = cover;
        expect(existsSync(file), file).toBe(true);
        expect(readFileSync(file, 'utf8'), file).toContain(title);
      }
    }
  }
});

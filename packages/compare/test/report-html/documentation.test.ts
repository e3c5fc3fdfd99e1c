import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { capacityPage } from '../../src/capacity/page.ts';
import { dateOf } from '../../src/report/date.ts';
import { withFigures } from '../../src/report/html/choosing.ts';
import { htmlReport } from '../../src/report/html/index.ts';
import type { Report } from '../../src/report/schema.ts';
import { madeUpReport } from './made-up-report.ts';

const docs = join(import.meta.dirname, '..', '..', '..', '..', 'docs');
const read = (...path: string[]): string => readFileSync(join(docs, ...path), 'utf8');
const sample = JSON.parse(read('comparison', 'report.json')) as Report;

/** The numbers of drawings start anew in each process. */
const withoutIds = (page: string): string => page.replaceAll(/\bzr\d+/g, 'zr');

// Who changes a page or a formula: `pnpm --filter @holdfast/compare sample` writes them again from results/report.json.
describe('the pages of the documentation are those of the sample report', () => {
  it('report.html', () => {
    expect(withoutIds(read('comparison', 'report.html')) === withoutIds(htmlReport(sample))).toBe(true);
  });

  it('capacity.md', () => {
    expect(read('capacity.md')).toBe(capacityPage(sample));
  });

  it('choosing-a-backend.md', () => {
    const page = read('choosing-a-backend.md');
    expect(page).toBe(withFigures(page, sample));
    expect(page).toContain(`run on ${dateOf(sample)}`);
  });
});

describe('choosing-a-backend.md', () => {
  it('links only what is there', () => {
    const targets = [...read('choosing-a-backend.md').matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target!);
    expect(targets.filter((target) => !existsSync(join(docs, target)))).toEqual([]);
    expect(targets).toContain('comparison/report.html');
  });

  it('tells how far each backend is from the best', () => {
    const page = withFigures('<!-- figures: begin --><!-- figures: end -->', madeUpReport());
    expect(page).toContain(
      '| times the best one | Redis (ioredis) | Redis (node-redis) | Redlock | ZooKeeper | etcd |',
    );
    expect(page).toContain('| Many short locks, each on its own key | 1.00 | 1.30 | 3.10 | 7.70 | 9.30 |');
    expect(page).toContain(
      '| A lock that must hold when a server dies | ruled out | ruled out | ruled out | 1.00 | 1.21 |',
    );
    expect(page).not.toContain('All holders are in one process |');
  });

  it('is not touched without its marks', () => {
    expect(() => withFigures('no marks', madeUpReport())).toThrow('put them where the figures belong');
  });
});

describe('the page on capacity', () => {
  const page = capacityPage(madeUpReport());

  it('has a chapter for each backend, with every number of locks and processes', () => {
    for (const { title } of madeUpReport().backends) expect(page).toContain(`## ${title}\n`);
    for (const [locks, processes] of [
      ['1,000', '10'],
      ['100,000 *', '1,000'],
      ['1,000,000 *', '10,000'],
    ]) {
      expect(page).toContain(`| ${locks} | ${processes} |`);
    }
    expect(page).toContain('10,000 sessions');
    expect(page).toContain('1,000 leases');
  });

  it('says so when held locks were not measured', () => {
    expect(capacityPage({ ...madeUpReport(), scale: [] })).toContain('Held locks were not measured in that run.');
  });
});

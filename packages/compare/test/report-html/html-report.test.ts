import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'parse5';
import { describe, expect, it } from 'vitest';
import { figure, spreadText } from '../../src/format.ts';
import { htmlReport, writeHtmlReport } from '../../src/report/html/index.ts';
import { partIds, type Report } from '../../src/report/schema.ts';
import { madeUpReport } from './made-up-report.ts';

const sections = [
  'choose',
  'features',
  'free-locks',
  'contention',
  'waiters',
  'scale',
  'capacity',
  'faults',
  'rivals',
  'run',
];

/** As a run with `--only` or servers that do not start leaves it. */
function withoutParts(report: Report): Report {
  return {
    ...report,
    ...{ uncontended: [], contention: [], waiters: [], scale: [], growth: [], faults: [], rivals: [], features: [] },
    notMeasured: partIds.map((part) => ({ part, backend: null, what: `all of ${part}`, why: `No time for ${part}.` })),
  };
}

/** What the parser of browsers has against it. */
function errorsOf(page: string): string[] {
  const errors: string[] = [];
  parse(page, { onParseError: ({ code, startLine, startCol }) => errors.push(`${startLine}:${startCol} ${code}`) });
  return errors;
}

const textOf = (page: string): string =>
  page.replaceAll(/<style>[\s\S]*?<\/style>|<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');

describe.each([
  ['a whole report', madeUpReport()],
  ['a report without any part', withoutParts(madeUpReport())],
  ['a report of one backend', ofOneBackend(madeUpReport())],
])('the page of %s', (_, report) => {
  const page = htmlReport(report);

  it('loads nothing and runs nothing', () => {
    expect(page).not.toMatch(
      /<(script|link|img|iframe|object|embed|base|video|audio|source|image|use|foreignObject)\b/i,
    );
    expect(page).not.toMatch(/\b(src|srcset|action|data|poster)\s*=/i);
    expect(page).not.toMatch(/@import|\burl\((?!#)/i);
    expect(page).not.toMatch(/https?:|\bon\w+\s*=/i);
    const links = [...page.matchAll(/\bhref="([^"]*)"/g)].map(([, target]) => target);
    expect(links.filter((target) => !target!.startsWith('#'))).toEqual([]);
  });

  it('is HTML that a browser need not mend', () => {
    expect(errorsOf(page)).toEqual([]);
  });

  it('has every section, and a way to each', () => {
    for (const id of sections) {
      expect(page, id).toContain(`<section id="${id}">`);
      expect(page, id).toContain(`href="#${id}"`);
    }
  });

  it('shows no figure that there is none of', () => {
    expect(textOf(page)).not.toMatch(/\bNaN\b|undefined|Infinity|\bnull\b|\[object/);
    expect(page.match(/<(path|rect|line|text|circle|polyline|polygon)\b[^>]*(NaN|Infinity|undefined)/g)).toBeNull();
  });

  it('tells the machine, the versions, the settings and the date', () => {
    const { machine, settings, backends } = report;
    const text = textOf(page);
    for (const part of [machine.cpu, machine.memory, machine.system, machine.node, '2031-02-03'])
      expect(text).toContain(part);
    for (const { name, value } of settings) expect(text).toContain(`${name} ${value}`);
    for (const { client, server } of backends) {
      expect(text).toContain(client);
      expect(text).toContain(server);
    }
  });

  it('says what was not measured, and why', () => {
    for (const { what, why } of report.notMeasured) expect(textOf(page)).toContain(`${what}. ${why}`);
  });
});

describe('the figures of the page', () => {
  const report = madeUpReport();
  const text = textOf(htmlReport(report));

  it('are those of the report', () => {
    for (const { opsPerSecond, latencyUs } of report.uncontended) {
      expect(text).toContain(spreadText(opsPerSecond));
      expect(text).toContain(`p50 ${figure(latencyUs.p50)} · p99 ${figure(latencyUs.p99)} µs`);
    }
    for (const { handOversPerSecond, longestWaitMs } of report.contention) {
      expect(text).toContain(spreadText(handOversPerSecond));
      expect(text).toContain(figure(longestWaitMs));
    }
    for (const { eventLoopLagP99Ms, clientCpu } of report.scale) {
      expect(text).toContain(figure(eventLoopLagP99Ms));
      expect(text).toContain(figure(clientCpu));
    }
    for (const { exponent, r2 } of report.growth) expect(text).toContain(`${figure(exponent)} (r² ${figure(r2)})`);
    for (const { timeline } of report.faults) {
      for (const { atMs } of timeline) expect(text).toContain(`${figure(atMs)} ms`);
    }
  });

  it('follow the report when it changes', () => {
    const [first, ...others] = report.uncontended;
    const changed = { ...first!, latencyUs: { ...first!.latencyUs, p50: 4_242, p99: 98_765 } };
    const page = htmlReport({ ...report, uncontended: [changed, ...others] });
    expect(textOf(page)).toContain('p50 4,242 · p99 98,765 µs');
    expect(text).not.toContain('4,242');
  });

  it('are escaped where they are words', () => {
    const page = htmlReport({ ...report, settings: [{ name: '<b>"&', value: "<script>alert('1')</script>" }] });
    expect(page).toContain('<dt>&lt;b&gt;&quot;&amp;</dt><dd>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</dd>');
  });

  it('come with an alarm when a lock was held twice against every promise, or the run failed', () => {
    expect(text).not.toMatch(/unexpected violation|This run failed/);
    const [fault, ...faults] = report.faults;
    const broken = { ...fault!, overlapMs: 55, violations: ['key: two holders for 55 ms'], expected: '' };
    const alarming = textOf(htmlReport({ ...report, faults: [broken, ...faults], failures: ['a lock was lost'] }));
    expect(alarming).toContain('1 unexpected violation');
    expect(alarming).toContain('key: two holders for 55 ms');
    expect(alarming).toContain('overlap 55.0 ms');
    expect(alarming).toMatch(/This run failed; do not rely on its figures\. a lock was lost/);
  });
});

it('shows the exceptions among the faults first, with their drawings, and closes those of the others', () => {
  const faults = /<section id="faults">.*?<\/section>/s.exec(htmlReport(madeUpReport()))![0];
  const [, exceptions = '', others = ''] = faults.split('<h3>');
  expect(exceptions).toMatch(/^Two holders at once, or possible<.*Sentinel/s);
  expect(exceptions).not.toContain('The holder is killed');
  expect(exceptions).toContain('<svg');
  expect(others).toMatch(/^Never two holders</);
  expect(others).not.toContain('Sentinel');
  const [shown = '', ...closed] = others.split('<details>');
  expect(shown).not.toContain('<svg');
  expect(closed.join('')).toContain('<svg');
  // The name stands out once for all rows of a fault, and there is no column without a figure.
  expect(exceptions.match(/<th scope="row">/g)).toHaveLength(1);
  expect(exceptions).not.toContain('stale writes accepted</th>');
});

const sectionOf = (page: string, id: string): string =>
  new RegExp(`<section id="${id}">.*?</section>`, 's').exec(page)![0];

/** What a reader sees who opens nothing. */
function openPart(section: string): string {
  const inner = /<details>(?:(?!<details>).)*?<\/details>/gs;
  const outer = section.replaceAll(inner, '');
  return outer === section ? section : openPart(outer);
}

it('gives each warning once', () => {
  const report = madeUpReport();
  const page = htmlReport(report);
  const text = textOf(sectionOf(page, 'choose'));
  expect(text.match(/may grant a lock to two holders/g)).toHaveLength(1);
  const faults = textOf(sectionOf(page, 'faults'));
  for (const { expected } of report.faults) if (expected !== '') expect(faults.split(expected)).toHaveLength(2);
  for (const { what, why } of report.notMeasured) expect(textOf(page).split(`${what}. ${why}`)).toHaveLength(2);
});

it('has ranked tables where prose and drawings would be long', () => {
  const report = madeUpReport();
  const page = htmlReport(report);
  const capacity = openPart(sectionOf(page, 'capacity'));
  expect(capacity.match(/<th scope="row"/g)).toHaveLength(report.backends.length);
  expect(capacity).not.toMatch(/<h3>|<li>/);
  const faults = openPart(sectionOf(page, 'faults')).split('<h3>')[2]!;
  expect(faults.match(/<th scope="row"/g)!.length).toBeLessThan(9);
  const rivals = openPart(sectionOf(page, 'rivals'));
  expect(rivals).not.toContain('<svg');
  const [free = ''] = rivals.split('<h3>').slice(1);
  const names = [...free.matchAll(/<th scope="row"[^>]*>([^<]+)</g)].map(([, name]) => name);
  const speed = (rival: Report['rivals'][number]) => (rival.sequential ?? rival.inFlight)?.opsPerSecond.median ?? 0;
  const ranked = [...report.rivals].sort((a, b) => speed(b) - speed(a)).map(({ name }) => name);
  expect(names.map((name) => ranked.find((each) => name!.startsWith(each)))).toEqual(ranked);
});

it('labels a row of a chart with no more than there is room for beside its figures', () => {
  const report = madeUpReport();
  const [first] = report.rivals;
  const wordy = { ...first!, name: 'redis-semaphore 5.8.0', delays: 'tuned: asks every 1 ms, never gives up' };
  const rivals = sectionOf(htmlReport({ ...report, rivals: [wordy] }), 'rivals');
  expect(rivals).toContain('>redis-semaphore 5.8.0, tuned</text>');
  expect(rivals).not.toMatch(/never gives up<\/text>/);
  const long = { ...first!, name: 'redis-semaphore 5.8.0, semaphore of 10 with a longer name' };
  expect(sectionOf(htmlReport({ ...report, rivals: [long] }), 'rivals')).toMatch(
    />redis-semaphore 5\.8\.0, [a-z ]{0,12}…</,
  );
});

it('hides a backend that is not ticked: its rows, columns, drawings, and what has its colour', () => {
  const report = madeUpReport();
  const page = htmlReport(report);
  for (const { id, title } of report.backends) {
    expect(page).toContain(`<label><input type="checkbox" id="show-${id}" checked> ${title}</label>`);
    const marks = `[data-backend="${id}"], [fill="var(--${id})"], [stroke="var(--${id})"]`;
    expect(page).toContain(`:root:has(#show-${id}:not(:checked)) main :is(${marks}) { display: none; }`);
  }
  for (const tag of ['tr', 'td', 'th', 'li', 'div'])
    expect(page).toMatch(new RegExp(`<${tag}[^>]* data-backend="etcd"`));
  // The colour of a backend is used for nothing else: the drawings of other libraries have their own.
  const others = /<section id="rivals">.*?<\/section>/s.exec(page)![0];
  expect(others).toContain('var(--library)');
  for (const { id } of report.backends) expect(others).not.toContain(`var(--${id})`);
});

it('gives each mark one meaning in all drawings', () => {
  const page = htmlReport(madeUpReport());
  const sections = [...page.matchAll(/<section id="([a-z-]+)">(.*?)<\/section>/gs)];
  const legends = sections.flatMap(([, , text]) => [...text!.matchAll(/<ul class="legend">.*?<\/ul>/gs)]);
  // Every backend has one outline wherever it is explained, and no two have the same.
  const outlines = new Map<string, Set<string>>();
  for (const [legend] of legends) {
    for (const [, outline, name] of legend.matchAll(/<path d="([^"]+)"[^>]*><\/svg> ([^<]+)/g)) {
      outlines.set(name!, (outlines.get(name!) ?? new Set()).add(outline!));
    }
    expect(legend).not.toContain('fill="var(--paper)"');
  }
  const all = [...outlines.values()].map((set) => [...set]);
  expect(all.length).toBeGreaterThan(4);
  expect(new Set(all.flat()).size).toBe(all.length);
  // Dots are those of a backend: neither a quantile nor a write is one.
  for (const [, id, text] of sections) if (id === 'faults') expect(text).not.toContain('●');
});

it('is written to a file in a folder that need not be there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-report-'));
  const file = join(folder, 'new', 'report.html');
  writeHtmlReport(madeUpReport(), file);
  expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>\n<html lang="en">/);
  rmSync(folder, { recursive: true });
});

function ofOneBackend(report: Report): Report {
  const mine = <T extends { readonly backend: string }>(all: readonly T[]) =>
    all.filter(({ backend }) => backend === 'etcd');
  const { backends, uncontended, contention, waiters, scale, growth, faults } = report;
  return {
    ...report,
    backends: backends.filter(({ id }) => id === 'etcd'),
    ...{ uncontended: mine(uncontended), contention: mine(contention), waiters: mine(waiters), scale: mine(scale) },
    ...{ growth: mine(growth), faults: mine(faults), rivals: [], notMeasured: [] },
  };
}

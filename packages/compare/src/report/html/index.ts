import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { dateOf } from '../date.ts';
import type { Report } from '../schema.ts';
import { filter } from './backends.ts';
import { html, type Markup } from './markup.ts';
import { capacity } from './sections/capacity.ts';
import { rivals } from './sections/competitors.ts';
import { contention } from './sections/contention.ts';
import { faults } from './sections/faults.ts';
import { scale, waiters } from './sections/growth.ts';
import { choices, head } from './sections/head.ts';
import { features, run } from './sections/run.ts';
import { uncontended } from './sections/uncontended.ts';

/** Writes the report as one HTML page that needs nothing else: no script, no request. Missing folders are made. */
export function writeHtmlReport(report: Report, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, htmlReport(report));
}

/** The page of a report. The same report gives the same page, but for the ids within its drawings. */
export function htmlReport(report: Report): string {
  const sections = [
    choices(report),
    features(report),
    uncontended(report),
    contention(report),
    waiters(report),
    scale(report),
    capacity(report),
    faults(report),
    rivals(report),
    run(report),
  ];
  return html`${{ html: '<!doctype html>' }}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Holdfast: distributed locks compared, ${dateOf(report)}</title>
<style>${style()}</style>
</head>
<body>
${head(report)}${contents(sections)}${filter(report)}
<main>
${sections}</main>
</body>
</html>
`.html;
}

/** The headings of the sections, as links. */
function contents(sections: readonly Markup[]): Markup {
  const links = sections.map(({ html: text }) => {
    const [, id = '', title = ''] = /<section id="([^"]+)">\s*<h2>([^<]+)</.exec(text) ?? [];
    return html`<li><a href="#${id}">${{ html: title }}</a></li>`;
  });
  return html`<nav aria-label="Contents"><ul>${links}</ul></nav>`;
}

const style = (): Markup => ({ html: readFileSync(new URL('./style.css', import.meta.url), 'utf8') });

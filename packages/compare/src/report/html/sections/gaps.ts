import type { NotMeasured, PartId, Report } from '../../schema.ts';
import { titleOf } from '../backends.ts';
import { html, type Markup } from '../markup.ts';

/** What a part does not say, and why; stands in the part itself, so that a gap is never taken for a zero. */
export function gaps(report: Report, part: PartId): Markup {
  return html`${report.notMeasured.filter((gap) => gap.part === part).map((gap) => html`<p class="gap">${gapText(report, gap)}</p>`)}`;
}

function gapText(report: Report, { backend, what, why }: NotMeasured): string {
  return `Not measured: ${backend === null ? '' : `${titleOf(report, backend)}, `}${what}. ${sentence(why)}`;
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

/** A part of the page, which stays there when nothing of it was measured. */
export function section(id: string, title: string, intro: string | Markup, content: Markup | undefined): Markup {
  return html`<section id="${id}">
<h2>${title}</h2>
<p>${intro}</p>
${content ?? html`<p class="gap">Not measured in this run.</p>`}
</section>
`;
}

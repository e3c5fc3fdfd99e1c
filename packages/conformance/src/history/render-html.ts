import type { History } from './holds.ts';
import type { Violation } from './sweep.ts';
import { describeEvent, timelineOf } from './timeline.ts';

/** Renders the violations of a history as a self-contained HTML page, in light and dark mode. */
export function renderHtml(history: History, violations: readonly Violation[]): string {
  const count = violations.length === 1 ? '1 violation' : `${violations.length} violations`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lock history: ${count}</title>
<style>${style}</style>
<h1>${count} in ${history.holds.length} holds</h1>
<p class="legend"><i class="asked"></i> asked, or giving back <i class="held"></i> held <i class="both"></i> two holders</p>
${violations.map((violation) => section(history, violation)).join('\n')}
</html>
`;
}

function section(history: History, violation: Violation): string {
  const { from, to, rows, events } = timelineOf(history, violation);
  const at = (t: number) => ((Math.min(Math.max(t, from), to) - from) / (to - from)) * 100;
  const bar = (kind: string, start: number, end: number) =>
    end < from || start > to
      ? ''
      : `<i class="${kind}" style="left:${at(start).toFixed(3)}%;width:${(at(end) - at(start)).toFixed(3)}%"></i>`;
  const lines = rows.map(({ hold, offender }) => {
    const { id, process, fence, invokedAt, start, end, doneAt } = hold;
    const bars = [
      bar('asked', invokedAt, Number.isFinite(doneAt) ? doneAt : end),
      bar('held', start, end),
      offender && violation.overlapMs !== undefined ? bar('both', violation.from, violation.to) : '',
    ];
    const name = `${id}${fence === undefined ? '' : `, token ${fence}`}`;
    return `<tr${offender ? ' class="offender"' : ''}><th scope="row">${escapeHtml(name)}<small>process ${escapeHtml(process)}</small></th><td><div class="lane">${bars.join('')}</div></td></tr>`;
  });
  const log = events.map(
    (event) =>
      `<tr><td class="time">${(event.t - from).toFixed(3)}</td><td>${escapeHtml(describeEvent(event, from))}</td></tr>`,
  );
  return `<section>
<h2>${escapeHtml(violation.message)}</h2>
<div class="scroll"><table class="lanes"><tbody>
${lines.join('\n')}
<tr class="scale"><th></th><td>0<span>${(to - from).toFixed(3)} ms</span></td></tr>
</tbody></table></div>
<details open><summary>Calls and answers, in ms</summary><div class="scroll"><table class="log"><tbody>
${log.join('\n')}
</tbody></table></div></details>
</section>`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (mark) => entities[mark]!);

const style = `
:root { color-scheme: light dark; --text: #1c2024; --quiet: #60646c; --line: #d9dce1; --paper: #fff; --asked: #b9c3d0; --held: #3e7bc4; --both: #d1383d; }
@media (prefers-color-scheme: dark) { :root { --text: #e8eaed; --quiet: #a3a9b3; --line: #3a3f47; --paper: #16181c; --asked: #4d5663; --held: #6ea8ec; --both: #ff6369; } }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); padding: 0.5rem 0 1rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; } .lanes { width: 100%; min-width: 34rem; }
th { text-align: left; font-weight: 500; width: 14rem; padding: 0.2rem 1rem 0.2rem 0; overflow-wrap: anywhere; }
small { display: block; color: var(--quiet); font-weight: 400; } .offender th { color: var(--both); }
.lane { position: relative; height: 1.2rem; background: linear-gradient(var(--line), var(--line)) center / 100% 1px no-repeat; }
.lane i { position: absolute; top: 0; height: 100%; min-width: 2px; border-radius: 2px; }
.legend i { display: inline-block; width: 1rem; height: 0.7rem; margin-left: 1rem; border-radius: 2px; }
i.asked { background: var(--asked); } i.held { background: var(--held); } i.both { background: var(--both); }
.scale, .legend { color: var(--quiet); font-size: 0.85rem; } .scale span { float: right; }
.log { font: 13px/1.6 ui-monospace, monospace; white-space: pre; } .time { text-align: right; padding-right: 1.5rem; color: var(--quiet); }
`;

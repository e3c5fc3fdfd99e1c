import { figure } from '../../format.ts';
import { dateOf } from '../date.ts';
import type { BackendId, Report } from '../schema.ts';
import { titleOf } from './backends.ts';
import { ranked } from './ranking.ts';
import { recommendations } from './recommend.ts';
import { type Use, uses } from './uses.ts';

const [begin, end] = ['<!-- figures: begin -->', '<!-- figures: end -->'];

/** Puts the figures of a report between the marks of `docs/choosing-a-backend.md`; throws where the marks are missing. */
export function withFigures(page: string, report: Report): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`The page has no ${begin} … ${end}: put them where the figures belong.`);
  return `${page.slice(0, from)}${begin}\n${figuresText(report)}\n${page.slice(to)}`;
}

function figuresText(report: Report): string {
  const { machine, mode } = report;
  const answers = recommendations(report).map(
    ({ use, answer, because }) => `- **${use}: ${answer}.** ${because.join(' ')}`,
  );
  const load = machine.load > 0.5 ? ` Other work ran there (load ${figure(machine.load)}).` : '';
  return `Of a ${mode} run on ${dateOf(report)}: ${machine.cpu}, ${machine.memory}, Node ${machine.node}, servers and clients on one machine.${load}

${ratios(report)}

${answers.join('\n')}`;
}

/** How far each backend is from the best, use by use: ratios hold on other machines better than figures do. */
function ratios(report: Report): string {
  const columns = report.backends.filter(({ servers }) => servers > 0).map(({ id }) => id);
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const shared = uses.filter(({ inOneProcess }) => !inOneProcess);
  return [
    row(['times the best one', ...columns.map((id) => titleOf(report, id))]),
    row(['---', ...columns.map(() => '--:')]),
    ...shared.map((use) => row([use.use, ...columns.map((id) => cell(report, use, id))])),
  ].join('\n');
}

function cell(report: Report, { candidates, better }: Use, id: BackendId): string {
  const { winners, others, excluded } = ranked(candidates(report), better);
  const best = winners[0]?.value;
  const mine = [...winners, ...others].find(({ backend }) => backend === id)?.value;
  if (best === undefined || mine === undefined)
    return excluded.some(({ backend }) => backend === id) ? 'ruled out' : 'not measured';
  return figure(better === 'more' ? best / mine : mine / best);
}

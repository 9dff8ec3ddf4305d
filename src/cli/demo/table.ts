import Table from 'cli-table3';
import type { RoundResult } from '../../contract/index.js';
import { roundDesign } from '../../experiment/round-design.js';
import { percent } from '../../lib/format.js';
import { countsText } from '../output.js';

/** Everything that the demo found, a column per round. */
export function resultTable(rounds: RoundResult[]): string {
  const table = new Table({
    head: ['match', ...rounds.map((_, index) => `round ${index + 1}`)],
    colAligns: ['left', ...rounds.map(() => 'right' as const)],
    style: { head: [], border: [] },
  });
  const row = (label: string, cell: (round: RoundResult) => string) => table.push([label, ...rounds.map(cell)]);
  const title = (text: string) => table.push([{ content: text, colSpan: rounds.length + 1 }]);
  // a control that no round ran has no numbers
  const arms = roundDesign.arms.filter(({ id }) => rounds.some(({ arms }) => (arms[id] ?? null) !== null));
  title('training documents, questions B (which chose nothing)');
  for (const { id, label } of arms) row(`  ${label}`, ({ arms }) => percent(arms[id] ?? null));
  title('held-out documents');
  row('  old policy writes and learns', ({ heldOut }) => percent(heldOut.before));
  row('  new policy writes and learns', ({ heldOut }) => percent(heldOut.after));
  title('the round');
  row('  documents held out', ({ heldOut }) => String(heldOut.sources));
  row('  edits selected', ({ selected }) => String(selected));
  row('  policy released', ({ released, gate }) => (released ? 'yes' : `no (${gate ?? 'no policy'})`));
  return table.toString();
}

/** How the candidate edits of each round ended. */
export const outcomesText = (rounds: RoundResult[]): string =>
  rounds.map(({ trials }, index) => `edits of round ${index + 1}: ${countsText(trials)}`).join('\n');

import { outcomes } from '../../contract/index.js';
import { seconds, signed } from '../../lib/format.js';
import { code } from '../../lib/markdown.js';
import { gateMarkdown } from '../gate/details.js';
import { forgotten } from './release-subject.js';
import type { RoundState } from './state.js';

/** A round for the people who look at it in the Web UI (current details). */
export function roundMarkdown(state: RoundState): string {
  const { config, signals: controls, gate, table } = state;
  const { stage, trials, deviceSeconds, selected, bestReward, caps } = state.status;
  const total = state.shownTotal.outcomes;
  const sections = [
    `## ${code(state.roundId, 300)}: ${stage}${flag(controls)}${ending(state)}`,
    [
      '| | |',
      '|---|---|',
      `| model | ${code(config.model)}, tenant ${code(config.tenant)} |`,
      `| trials${state.purposes.length === 0 ? '' : ` (${state.purposes.join(', ')})`} | ${trials.done} of ${trials.planned} |`,
      `| outcomes | ${outcomes.flatMap((o) => (total[o] === undefined ? [] : [`${o} ${total[o]}`])).join(', ') || 'none'} |`,
      `| best reward | ${bestReward === null ? 'none yet' : `${signed(bestReward)} over the base`} |`,
      ...(state.canaries === null ? [] : [`| forgotten | ${forgotten(state.canaries)} |`]),
      `| edits selected | ${selected ?? 'not yet'} |`,
      `| device | ${seconds(deviceSeconds)} |`,
      `| caps | ${caps.maxEditsPerRound} edits a round, ${caps.maxStepsPerTrial} steps and ${caps.maxDeviceSeconds} s a trial |`,
    ].join('\n'),
    notesMarkdown(state),
    gate === null ? '' : gateMarkdown(gate),
    table === null ? '' : `### Result\n\n${table}`,
    ...state.warnings.map((warning) => `Warning: ${code(warning, 500)}`),
    rejectedMarkdown(state),
    stage === 'done' ? '' : 'Signals: `pause`, `resume`, `stop` (no new trials, then select).',
    'Queries: `status`, `gates`.',
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function ending({ release }: RoundState): string {
  return release === null
    ? ''
    : `, ${release.released ? 'released' : '**not** released'}: ${code(release.reason, 500)}`;
}

function flag({ paused, stopping }: RoundState['signals']): string {
  if (stopping) return ' (stopping)';
  return paused ? ' (paused)' : '';
}

const notesMarkdown = ({ corpusNotes }: RoundState): string =>
  corpusNotes.length === 0 ? '' : ['### The corpus', ...corpusNotes.map((note) => `- ${code(note, 600)}`)].join('\n');

function rejectedMarkdown({ rejected }: RoundState): string {
  if (rejected.count === 0) return '';
  const last = rejected.messages.at(-1);
  return `${rejected.count} messages were of no use; the last: ${code(last?.signal ?? '')}, ${code(last?.reason ?? '', 300)}`;
}

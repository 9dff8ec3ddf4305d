import { percent, seconds } from '../lib/format.js';
import { policyAlias, type OutcomeCounts, type RetentionNumbers } from '../contract/index.js';
import { code } from '../lib/markdown.js';
import { intervalText } from './interval-text.js';
import type { RoundReport } from './round-report.js';

/** Reasons that are shown for documents left out; the artifact has all. */
const shownMissing = 5;

/**
 * What a person needs to decide on a release, as markdown below 8 KB for the Web UI.
 *
 * @param releaseDigest what the decision is bound to
 */
export function reportMarkdown(report: RoundReport, { releaseDigest }: { releaseDigest: string }): string {
  const { round, heldOut, baseline, gain, retention, chosenCanaries, warnings, deviceSeconds, reusedTrainings } =
    report;
  return [
    `**${headline(report)}**`,
    '',
    ...warnings.map((warning) => `- **Warning:** ${warning}`),
    ...(warnings.length > 0 ? [''] : []),
    ...armTable(report),
    '',
    `| held-out: ${heldOut.sources} documents, ${heldOut.questions} questions | old policy learns | new policy learns |`,
    '|---|---|---|',
    `| before training on the document | ${percent(baseline.old)} | ${percent(baseline.new)} |`,
    `| old policy wrote the edit | ${percent(heldOut.cells.oldOld)} | ${percent(heldOut.cells.oldNew)} |`,
    `| new policy wrote the edit | ${percent(heldOut.cells.newOld)} | ${percent(heldOut.cells.newNew)} |`,
    '',
    `- New policy against old, each on its own edits: ${intervalText(gain)}`,
    `- Canaries: ${retentionText(retention.canaries)}`,
    ...lostByChosen(chosenCanaries),
    `- Frozen set: ${retentionText(retention.frozen)}`,
    `- Candidates: ${outcomesText(report.candidates)}`,
    ...missingLines(report),
    `- Device: ${seconds(deviceSeconds.total)}, of which ${seconds(deviceSeconds.policy)} for the policy${reusedTrainings === 0 ? '' : `; ${reusedTrainings} trainings were done before and cost nothing`}`,
    `- Model ${code(round.model.model)}, ${round.old.stack.length} policy layer(s) before the round`,
    '',
    `A decision is bound to the digest \`${releaseDigest}\`.`,
  ].join('\n');
}

function headline({ round, policy }: RoundReport): string {
  return policy === null
    ? `${code(round.roundId)}: no edit was chosen, so no policy was trained and there is nothing to release`
    : `${code(round.roundId)}: release the policy trained on ${policy.pairs} pairs of the chosen edits as ${policyAlias(round.config)}?`;
}

function armTable({ component, arms, contrasts }: RoundReport): string[] {
  const differences = (arm: string): string =>
    contrasts
      .filter(({ shownAt, gain }) => shownAt === arm && gain.estimate !== null)
      .map(({ label, gain }) => `${label}: ${intervalText(gain)}`)
      .join('; ');
  return [
    `| questions B, which chose nothing | ${component} | documents | canaries kept | difference on the same documents |`,
    '|---|---|---|---|---|',
    ...arms
      .filter(({ documents }) => documents > 0)
      .map(
        ({ id, label, mean, documents, canaries }) =>
          `| ${label} | ${percent(mean)} | ${documents} | ${canaries === null ? '' : percent(canaries.kept / canaries.asked)} | ${differences(id)} |`,
      ),
  ];
}

const retentionText = ({ asked, rightBefore, rightAfter, lost }: RetentionNumbers): string =>
  asked === 0
    ? 'none asked'
    : `${rightBefore} of ${asked} right before` +
      (rightAfter === null || lost === null ? ', no new policy asked' : `, ${rightAfter} after, ${lost} lost`);

function lostByChosen({ asked, lost, worst }: RoundReport['chosenCanaries']): string[] {
  if (worst === null) return [];
  return [
    `- Canaries that the chosen edits' adapters forgot: ${lost} of ${asked}, ${percent(worst)} by the one that forgot most`,
  ];
}

const outcomesText = (counts: OutcomeCounts): string =>
  Object.entries(counts)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(', ') || 'none recorded';

function missingLines({ missing }: RoundReport): string[] {
  if (missing.length === 0) return [];
  const shown = missing
    .slice(0, shownMissing)
    .map(({ sourceId, reasons }) => `${code(sourceId, 80)} (${code(reasons[0] ?? 'not run', 250)})`);
  const more = missing.length > shownMissing ? ` and ${missing.length - shownMissing} more` : '';
  return [`- Held-out documents left out, because a policy has no score on them: ${shown.join('; ')}${more}`];
}

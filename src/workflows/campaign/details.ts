import { type CampaignStatus } from '../../contract/index.js';
import { code } from '../../lib/markdown.js';

/** A campaign for the people who look at it in the Web UI (current details). */
export function campaignMarkdown(status: CampaignStatus, finished: readonly string[]): string {
  const { campaignId, roundId, round, totalRounds: totalRounds, paused, stopping, policyLayers, waitingAfter } = status;
  const flag = stopping ? ' (stopping after this round)' : paused ? ' (paused)' : '';
  return [
    `## ${code(campaignId, 300)}: round ${round} of ${totalRounds === 0 ? 'many, until stopped' : totalRounds}${flag}`,
    waitingAfter === null
      ? `- under way: ${code(roundId, 300)}; its gate and its trials are there`
      : `- waits to run ${code(roundId, 300)} again, which failed: ${code(waitingAfter, 300)}`,
    `- starts from ${policyLayers === 0 ? 'the base model' : `a released policy of ${policyLayers} layer${policyLayers === 1 ? '' : 's'} on the base`}`,
    ...(finished.length === 0
      ? []
      : [
          `- finished: ${finished
            .slice(-10)
            .map((id) => code(id, 300))
            .join(', ')}`,
        ]),
    '',
    'Signals: `pause`, `resume`, `stop` (the round under way ends as it would have). Query: `status`.',
  ].join('\n');
}

import type { ActivityResult, CampaignConfig, RoundConfig } from '../../contract/index.js';

/** Runs of one round after its first. */
const mostRetries = 5;
/** The first wait before a round is run again, in first waits of an activity: with the defaults a minute, then two, … */
const firstWait = 30;
const longestWaitSeconds = 3600;
/** Rounds that may fail one after another where failed ones are skipped: what is broken then is not the round. */
const mostFailedInRow = 5;

/** What the next round is asked for: the campaign's config, from the last released policy. */
export const nextRoundConfig = (
  { round }: CampaignConfig,
  campaign: string,
  { startStack }: ActivityResult<'resumeCampaign'>,
): RoundConfig => ({ ...round, startStack, campaign });

export type AfterFailure = { does: 'retry'; waitSeconds: number } | { does: 'skip' } | { does: 'stop'; why: string };

/**
 * What happens after a round failed, with `retries` runs before this one. Another run cannot mend a `final` failure:
 * the round was cancelled on purpose, or its configuration is refused.
 */
export function afterFailure(
  { onRoundFailure, round, progress }: CampaignConfig,
  { retries, final }: { retries: number; final: boolean },
): AfterFailure {
  if (onRoundFailure === 'stop') return { does: 'stop', why: '' };
  if (onRoundFailure === 'skip') {
    return progress.failedInRow + 1 < mostFailedInRow
      ? { does: 'skip' }
      : { does: 'stop', why: ` (the ${mostFailedInRow}th round in a row to fail)` };
  }
  if (final) return { does: 'stop', why: '' };
  if (retries === mostRetries) return { does: 'stop', why: ` (run again ${mostRetries} times)` };
  const waitSeconds = round.profiles.retryInitialSeconds * firstWait * 2 ** retries;
  return { does: 'retry', waitSeconds: Math.min(waitSeconds, longestWaitSeconds) };
}

import {
  CancellationScope,
  continueAsNew,
  defineQuery,
  setCurrentDetails,
  setHandler,
  workflowInfo,
  type ChildWorkflowHandle,
  type Workflow,
} from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  orderNames,
  queryNames,
  roundIdOf,
  roundResultSchema,
  runSettingsOf,
  workflowTypes,
  type CampaignConfigInput,
  type CampaignResult,
  type CampaignStatus,
  type RoundResult,
} from '../contract/index.js';
import { campaignMarkdown } from './campaign-details.js';
import { nextRoundConfig, progressAfter } from './campaign-progress.js';
import { startOne, tell } from './children.js';
import { installControls, newControls, steerOf, unpaused } from './controls.js';
import { sentenceOf } from './failures.js';
import { parseCampaignConfig } from './parse-config.js';
import { fatal, parseResult } from './parse.js';

type RoundHandle = ChildWorkflowHandle<Workflow>;

const statusQuery = defineQuery<CampaignStatus>(queryNames.status);

/**
 * Rounds one after another, each from the last released policy. A run of this workflow is one round; then it continues as
 * new with nothing in flight, so no campaign is too long. `stop` lets the round under way end as it would have.
 * @throws InvalidConfig, RoundFailed
 */
export async function sealCampaign(input?: unknown): Promise<CampaignResult> {
  const { workflowId: campaignId } = workflowInfo();
  const config = parseCampaignConfig(input);
  const round = nextRoundConfig(config);
  const { nextRound, rounds: finished } = config.progress;
  const roundId = roundIdOf(campaignId, nextRound);
  const controls = newControls();
  let running: RoundHandle | null = null;

  const status = (): CampaignStatus => ({
    campaignId,
    roundId,
    round: nextRound,
    ofRounds: config.rounds,
    paused: controls.paused && !controls.stopping,
    stopping: controls.stopping,
    policyLayers: round.startStack.length,
  });
  const show = (): void => setCurrentDetails(campaignMarkdown(status(), finished));
  const steer = (): void => {
    // Stopped, the campaign lets the round end as it would have; one that it paused must go on, or it would never end.
    const wanted = { ...controls, paused: status().paused, stopping: false };
    if (running !== null) tell(running, orderNames.steer, steerOf(wanted));
  };
  setHandler(statusQuery, status, { description: 'The round under way, and what was asked of the campaign' });
  installControls(
    controls,
    {
      pause: 'Pauses the round under way and starts no other.',
      stop: 'Ends the campaign after the round under way, which is not cut short (for that, send the round `stop`).',
    },
    () => {
      steer();
      show();
    },
  );
  show();

  await unpaused(controls);
  if (controls.stopping) return { rounds: finished, stopped: true };
  // The campaign itself knows nothing of the server's search attributes; each round asks.
  const summary = `round ${nextRound} of ${campaignId}`;
  running = await startOne(runSettingsOf(round), {
    type: workflowTypes.round,
    workflowId: roundId,
    input: round,
    summary,
  });
  if (controls.order > 0) steer();
  const progress = progressAfter(await resultOf(running, roundId), config, round);
  running = null;

  await unpaused(controls);
  if (status().stopping) return { rounds: progress.rounds, stopped: true };
  if (config.rounds > 0 && progress.nextRound > config.rounds) return { rounds: progress.rounds, stopped: false };
  return continueAsNew<typeof sealCampaign>({ ...config, progress } satisfies CampaignConfigInput);
}

async function resultOf(round: RoundHandle, roundId: string): Promise<RoundResult> {
  try {
    return parseResult(roundResultSchema, await round.result(), roundId);
  } catch (error) {
    if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
    throw fatal('RoundFailed', `${roundId}: ${sentenceOf(error)}`);
  }
}

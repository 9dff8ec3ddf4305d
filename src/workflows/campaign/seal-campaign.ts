import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
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
  type CampaignConfig,
  type CampaignConfigInput,
  type CampaignResult,
  type CampaignStatus,
  type RoundConfig,
} from '../../contract/index.js';
import { activitiesOf } from '../runtime/call-activity.js';
import { campaignMarkdown } from './details.js';
import { afterFailure, nextRoundConfig } from './progress.js';
import { startOne, tell } from '../runtime/children.js';
import { onRunSignals, newRunSignals, steerOf, whenNotPaused } from '../runtime/run-signals.js';
import { asWorkflowFailure, isFailure, sentenceOf } from '../runtime/failures.js';
import { onQuery } from '../runtime/handlers.js';
import { summaryOf } from '../runtime/markdown.js';
import { fatal, parseCampaignConfig, parseResult } from '../runtime/parse.js';

type RoundHandle = ChildWorkflowHandle<Workflow>;

/**
 * Rounds one after another, each from the last released policy. A run of this workflow is one round; then it continues
 * as new with nothing in flight, so no campaign is too long. Its progress comes from the ledger, so a campaign that is
 * started again resumes after its last completed round. `stop` lets the current round end normally.
 * @throws InvalidConfig, RoundIdTaken, RoundFailed
 */
export async function sealCampaign(input?: unknown): Promise<CampaignResult> {
  const campaign = new Campaign(parseCampaignConfig(input, workflowInfo().workflowId));
  try {
    return await campaign.run();
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    if (!isCancellation(error)) throw asWorkflowFailure(error);
    await CancellationScope.nonCancellable(() => campaign.endOrphan());
    throw error;
  }
}

/** One run of a campaign: the round under way, and what was asked meanwhile. */
class Campaign {
  readonly #campaignId = workflowInfo().workflowId;
  readonly #controls = newRunSignals();
  #round: number;
  #policyLayers: number;
  #completed: string[] = [];
  #running: RoundHandle | null = null;
  #waitingAfter: string | null = null;

  constructor(private readonly config: CampaignConfig) {
    this.#round = config.progress.nextRound;
    this.#policyLayers = config.round.startStack.length;
    onQuery(queryNames.status, 'The round under way, and what was asked of the campaign', () => this.#status);
    onRunSignals(
      this.#controls,
      {
        pause: 'Pauses the round under way and starts no other.',
        stop: 'Ends the campaign after the round under way, which is not cut short (for that, send the round `stop`).',
      },
      () => {
        this.#steer();
        this.#show();
      },
    );
    this.#show();
  }

  /** the round under way, or the next */
  get roundId(): string {
    return roundIdOf(this.#campaignId, this.#round);
  }

  /** Cancels a round that a run of this campaign before a reset had started. */
  async endOrphan(): Promise<void> {
    const request = { parentId: this.#campaignId, workflowId: this.roundId };
    await activitiesOf(runSettingsOf(this.config.round))('endOrphans', request, this.roundId);
  }

  get #status(): CampaignStatus {
    return {
      campaignId: this.#campaignId,
      roundId: this.roundId,
      round: this.#round,
      totalRounds: this.config.rounds,
      paused: this.#controls.paused && !this.#controls.stopping,
      stopping: this.#controls.stopping,
      policyLayers: this.#policyLayers,
      waitingAfter: this.#waitingAfter,
    };
  }

  #show(): void {
    setCurrentDetails(campaignMarkdown(this.#status, this.#completed));
  }

  /** Stopped, the campaign lets the round end as it would have; one that it paused must go on, or it would never end. */
  #steer(): void {
    const wanted = { ...this.#controls, paused: this.#status.paused, stopping: false };
    if (this.#running !== null) tell(this.#running, orderNames.steer, steerOf(wanted));
  }

  async run(): Promise<CampaignResult> {
    const { config } = this;
    const round = await this.#nextRound();
    await whenNotPaused(this.#controls);
    if (this.#controls.stopping) return { rounds: this.#completed, stopped: true };
    if (config.rounds > 0 && this.#round > config.rounds) return { rounds: this.#completed, stopped: false };

    const failed = await this.#runToItsEnd(round);
    if (!failed) this.#completed = [...this.#completed, this.roundId].slice(-roundsShown);

    await whenNotPaused(this.#controls);
    if (this.#status.stopping) return { rounds: this.#completed, stopped: true };
    if (config.rounds > 0 && this.#round >= config.rounds) return { rounds: this.#completed, stopped: false };
    const progress = { nextRound: this.#round + 1, failedInRow: failed ? config.progress.failedInRow + 1 : 0 };
    return continueAsNew<typeof sealCampaign>({ ...config, progress } satisfies CampaignConfigInput);
  }

  /** Asks the ledger for the campaign's progress. */
  async #nextRound(): Promise<RoundConfig> {
    const { rounds, round, progress } = this.config;
    const { tenant, model, policy, startStack } = round;
    const stand = await activitiesOf(runSettingsOf(round))(
      'resumeCampaign',
      {
        campaignId: this.#campaignId,
        rounds,
        nextRound: progress.nextRound,
        round: { tenant, model, policy, startStack },
      },
      'where the campaign stands',
    );
    this.#round = stand.nextRound;
    this.#policyLayers = stand.startStack.length;
    this.#completed = stand.completed.map((number) => roundIdOf(this.#campaignId, number)).reverse();
    this.#show();
    return nextRoundConfig(this.config, this.#campaignId, stand);
  }

  /**
   * Runs a round, repeatedly if the config allows; returns whether it failed and is left behind.
   * @throws RoundFailed where the campaign ends with it
   */
  async #runToItsEnd(round: RoundConfig): Promise<boolean> {
    const { roundId } = this;
    for (let retries = 0; ; retries += 1) {
      const failure = await this.#runOnce(round);
      if (failure === null) return false;
      const reason = sentenceOf(failure);
      const next = afterFailure(this.config, { retries, final: isFinal(failure) });
      if (next.does === 'stop') throw fatal('RoundFailed', `${roundId}: ${reason}${next.why}`);
      if (next.does === 'skip') return true;
      this.#waitingAfter = reason;
      this.#show();
      const summary = summaryOf(`run ${retries + 2} of ${roundId} begins then; the last failed: ${reason}`);
      await condition(() => this.#controls.stopping, next.waitSeconds * 1000, { summary });
      await whenNotPaused(this.#controls);
      this.#waitingAfter = null;
      if (this.#controls.stopping) return true;
      this.#show();
    }
  }

  /** One run of a round; null: it completed. */
  async #runOnce(round: RoundConfig): Promise<TemporalFailure | null> {
    const { roundId } = this;
    try {
      // The campaign itself knows nothing of the server's search attributes; each round asks.
      this.#running = await startOne(runSettingsOf(round), {
        type: workflowTypes.round,
        workflowId: roundId,
        input: round,
        summary: `round ${this.#round} of ${this.#campaignId}`,
      });
      if (this.#controls.order > 0) this.#steer();
      parseResult(roundResultSchema, await this.#running.result(), roundId);
      return null;
    } catch (error) {
      if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
      return error;
    } finally {
      this.#running = null;
    }
  }
}

const isFinal = (failure: TemporalFailure): boolean =>
  isCancellation(failure) || isFailure(failure, 'InvalidConfig') || isFailure(failure, 'RoundIdTaken');

/** Completed rounds that a result and the details name. */
const roundsShown = 20;

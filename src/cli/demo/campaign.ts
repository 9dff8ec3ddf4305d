import { WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  campaignId,
  campaignResultSchema,
  roundIdOf,
  roundResultSchema,
  shardIdOf,
  taskQueues,
  workflowTypes,
  type CampaignConfigInput,
  type RoundResult,
  type RoundStatus,
} from '../../contract/index.js';
import { timeStamp } from '../../lib/format.js';
import { CliError } from '../errors.js';
import { causesOf, queryStatus } from '../round/view.js';

export const demoTenant = 'demo';

/**
 * What the demo runs: rounds on the sample corpus, made to be over soon on two cores. All candidates of a round are trained at
 * once, and the adapters that were chosen are reported as they are; `bench learning` trains them again with fresh seeds.
 */
export const demoConfig = (rounds: number): CampaignConfigInput => ({
  rounds,
  round: {
    tenant: demoTenant,
    requestedBy: 'selkie demo',
    controls: { freshSeeds: false },
    window: 24,
  },
});

/** Starts a demo campaign and returns its workflow id. */
export async function startDemo(client: Client, rounds: number): Promise<string> {
  const workflowId = campaignId(demoTenant, timeStamp(new Date()));
  await client.workflow.start(workflowTypes.campaign, {
    taskQueue: taskQueues.workflow,
    workflowId,
    args: [demoConfig(rounds)],
    staticSummary: `the demo: ${rounds} rounds on the sample corpus`,
  });
  return workflowId;
}

/** Whether the campaign is still under way on this server. */
export async function isUnderWay(client: Client, campaign: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(campaign).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

export interface CampaignView {
  running: boolean;
  /** the round under way, from 1 */
  round: number;
  /** null while its worker does not answer */
  status: RoundStatus | null;
}

/** The state of the campaign; `round` is the last round that was seen. */
export async function viewCampaign(client: Client, campaign: string, round: number): Promise<CampaignView> {
  const running = await isUnderWay(client, campaign);
  const { status } = await queryStatus(client, roundIdOf(campaign, round));
  // asking for a round that has not begun costs the server and the worker as much as an answer
  if (status !== null && status.stage !== 'done') return { running, round, status };
  const { status: next } = await queryStatus(client, roundIdOf(campaign, round + 1));
  return next === null ? { running, round, status } : { running, round: round + 1, status: next };
}

/** The results of all rounds of a campaign that has ended; throws a CliError with the reason when it failed. */
export async function campaignResults(client: Client, campaign: string): Promise<RoundResult[]> {
  let outcome: unknown;
  try {
    outcome = await client.workflow.getHandle(campaign).result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new CliError(`the campaign ${campaign} did not complete: ${causesOf(error.cause ?? error)}`);
  }
  const { rounds } = campaignResultSchema.parse(outcome);
  return Promise.all(rounds.map(async (id) => roundResultSchema.parse(await client.workflow.getHandle(id).result())));
}

/** Wall-clock seconds from the start of a round's first shard of candidate edits to the end of its last. */
export async function editSeconds(client: Client, roundId: string): Promise<number> {
  let fromMs = Infinity;
  let toMs = -Infinity;
  for (let shard = 0; ; shard += 1) {
    try {
      const { startTime, closeTime } = await client.workflow.getHandle(shardIdOf(roundId, 'edits', shard)).describe();
      fromMs = Math.min(fromMs, startTime.getTime());
      toMs = Math.max(toMs, closeTime?.getTime() ?? -Infinity);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      return Math.max(0, (toMs - fromMs) / 1000);
    }
  }
}

import { z } from 'zod';

/** Every name that crosses a process boundary. Worker, client, CLI, tests and runner use these and no literals. */

export const taskQueues = {
  /** workflows and light activities: ledger, planning, selection, gates */
  workflow: 'selkie',
  /** activities that talk to the model server of the default model: generation, screening, evaluation; see `llmQueueOf` */
  llm: 'selkie-llm',
  /** activities of the Python gpu-runner: training */
  gpu: 'selkie-gpu',
} as const;

/** The tenant of a round that names none: one machine's own, where no policy needs to be written first. */
export const demoTenant = 'demo';

/** The name of a tenant, a campaign or a knowledge base. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and dashes, at most 40 (names become workflow ids)');

/** The Worker Deployment that every workflow worker belongs to. */
export const deploymentName = 'selkie';

/** The model of a round that names none. */
export const defaultModel = 'smollm2-135m-instruct';

/** The queue of the workers whose model server serves a model: each asks one server, so each model has its own. */
export const llmQueueOf = (model: string): string =>
  model === defaultModel ? taskQueues.llm : `${taskQueues.llm}.${model}`;

/** The queue on which a runner describes itself: on its main queue a question would wait behind trainings. */
export const infoQueueOf = (gpuQueue: string): string => `${gpuQueue}-info`;

export const workflowTypes = {
  campaign: 'sealCampaign',
  round: 'sealRound',
  shard: 'sealShard',
  trial: 'selfEditTrial',
  gate: 'approvalGate',
} as const;

export const signalNames = {
  approve: 'approve',
  reject: 'reject',
  pause: 'pause',
  resume: 'resume',
  stop: 'stop',
} as const;

/** What a parent tells its children, by itself. */
export const orderNames = {
  steer: 'steer',
} as const;

/** What workflows tell each other. Anybody can send these, so they decide nothing. */
export const reportNames = {
  /** shard to round: how far it is, for people to see */
  shardProgress: 'shardProgress',
  /** round to open gates of others: another policy is live, look whether there is still something to release */
  liveChanged: 'liveChanged',
} as const;

export const queryNames = {
  status: 'status',
  gates: 'gates',
} as const;

/** Search attributes and their Temporal types; registered by the stack, upserted only where the server has them. */
export const searchAttributes = {
  SealTenant: 'Keyword',
  SealModel: 'Keyword',
  /** of a round: where it is */
  SealStage: 'Keyword',
  /** of a shard or a trial: why it is run */
  SealPurpose: 'Keyword',
  SealGate: 'Keyword',
  SealOutcome: 'Keyword',
  SealRound: 'Int',
  SealEditsDone: 'Int',
  SealBestScore: 'Double',
} as const;
export type SearchAttributeName = keyof typeof searchAttributes;
export const searchAttributeNameSchema = z.enum(
  Object.keys(searchAttributes) as [SearchAttributeName, ...SearchAttributeName[]],
);

/** Bounds that keep every history far below the server's limits (51,200 events, 2,000 pending children). */
export const bounds = {
  trialsPerShard: 200,
  shardsPerRound: 400,
  /** documents of one measurement of the baseline */
  sourcesPerBaseline: 200,
  payloadBytes: 32 * 1024,
  /** of a round's config, so that what carries it stays below `payloadBytes` */
  configBytes: 24 * 1024,
} as const;

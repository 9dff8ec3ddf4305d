import type { ArtifactStore } from '../../artifacts/index.js';
import type { Domain } from '../../domains/domain.js';
import type { Domains } from '../../domains/index.js';
import type { ModelLeases, InferenceClient } from '../../inference/index.js';
import type { Ledger, PreparedRound } from '../../ledger/index.js';
import type { Attempt } from './attempt.js';

/** What the activities that ask a model server work with. */
export interface LlmDeps {
  ledger: Ledger;
  store: ArtifactStore;
  domains: Domains;
  inference: InferenceClient;
  /** the task queue of the activities, which names their model server */
  llmQueue: string;
}

/** One attempt of an activity: the dependencies, the worker's leases, its end and its heartbeat. */
export interface LlmRun extends Omit<LlmDeps, 'inference' | 'llmQueue'>, Attempt {
  leases: ModelLeases;
  /** in a training row, by the tokenizer of a served model */
  countTokens: (model: string, text: string) => Promise<number>;
}

/** The same for one round, whose config names the domain. */
export interface RoundRun extends LlmRun {
  domain: Domain;
}

export const runOf = (run: LlmRun, { config }: PreparedRound): RoundRun => ({
  ...run,
  domain: run.domains.get(config.domain),
});

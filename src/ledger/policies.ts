import { z } from 'zod';
import {
  modelRefSchema,
  tolerant,
  trainRequestSchema,
  trainResultSchema,
  type ModelRef,
  type TrainRequest,
  type TrainResult,
} from '../contract/index.js';
import { json, maybeRow, row, rows, run, type Db } from './db.js';

const policySchema = z.strictObject({
  pairs: z.int().nonnegative(),
  request: tolerant(trainRequestSchema),
  /** null until trained */
  training: tolerant(trainResultSchema).nullable(),
  model: tolerant(modelRefSchema).nullable(),
});
export type Policy = z.infer<typeof policySchema>;

/** Whose policy it is: of a tenant, on a model, and where the digest is known on these very weights. */
export interface PolicyOwner {
  tenant: string;
  model: string;
  baseDigest?: string;
}

const select = `select pairs, request, training, model from policies where round_id = $1`;

export class Policies {
  constructor(private readonly db: Db) {}

  async get(roundId: string): Promise<Policy | null> {
    return maybeRow(this.db, policySchema, select, [roundId]);
  }

  /** What the round's policy is trained on. First write wins; returns the stored policy. */
  async request(roundId: string, { pairs, request }: { pairs: number; request: TrainRequest }): Promise<Policy> {
    await run(this.db, `insert into policies (round_id, pairs, request) values ($1, $2, $3) on conflict do nothing`, [
      roundId,
      pairs,
      json(request),
    ]);
    return row(this.db, policySchema, `policy of ${roundId}`, select, [roundId]);
  }

  /** Whether another round trained the same policy before: the device worked for it then. */
  async trainedBefore(roundId: string): Promise<boolean> {
    const found = await rows(
      this.db,
      z.strictObject({ roundId: z.string() }),
      `select before.round_id as "roundId" from policies mine
       join policies before on before.training ->> 'trainingKey' = mine.training ->> 'trainingKey'
         and before.created_at < mine.created_at
       where mine.round_id = $1 limit 1`,
      [roundId],
    );
    return found.length > 0;
  }

  /** Whether a round of the tenant trained the policy that has exactly these layers, on this model. */
  async knows(stack: ModelRef['stack'], { tenant, model, baseDigest }: PolicyOwner): Promise<boolean> {
    const found = await maybeRow(
      this.db,
      z.strictObject({ found: z.int() }),
      `select 1 as found from policies join rounds using (round_id)
       where rounds.tenant = $1 and policies.model -> 'stack' = $2::jsonb
         and policies.model ->> 'base' = $3 and ($4::text is null or policies.model ->> 'baseDigest' = $4)
       limit 1`,
      [tenant, json(stack), model, baseDigest ?? null],
    );
    return found !== null;
  }

  /** The last policy that the tenant trained on this model; its cost predicts the next one's. */
  async lastTrained({ tenant, model, baseDigest }: PolicyOwner): Promise<Policy | null> {
    return maybeRow(
      this.db,
      policySchema,
      `select pairs, request, training, policies.model from policies join rounds using (round_id)
       where rounds.tenant = $1 and (training ->> 'deviceSeconds')::float8 > 0 and (training ->> 'steps')::int > 0
         and policies.model ->> 'base' = $2 and ($3::text is null or policies.model ->> 'baseDigest' = $3)
       order by policies.created_at desc limit 1`,
      [tenant, model, baseDigest ?? null],
    );
  }

  /** The result of the training. First write wins; returns the stored policy. */
  async record(roundId: string, { training, model }: { training: TrainResult; model: ModelRef }): Promise<Policy> {
    await run(this.db, `update policies set training = $2, model = $3 where round_id = $1 and training is null`, [
      roundId,
      json(training),
      json(model),
    ]);
    return row(this.db, policySchema, `policy of ${roundId}`, select, [roundId]);
  }
}

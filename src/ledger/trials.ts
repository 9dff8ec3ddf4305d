import { z } from 'zod';
import {
  emptyResult,
  outcomeSchema,
  purposeSchema,
  trainRequestSchema,
  trialResultSchema,
  trialSpecSchema,
  sha256Schema,
  tolerant,
  type Outcome,
  type PolicyVersion,
  type Purpose,
  type ShardResult,
  type TrainRequest,
  type TrialResult,
  type TrialSpec,
} from '../contract/index.js';
import { json, maybeRow, row, rows, run, type Db, NotInLedger } from './db.js';

/** What the screen found; its evidence is kept as it is. */
export const screenSchema = z.looseObject({
  verdict: z.enum(['allow', 'block']),
  outcome: outcomeSchema.nullable(),
  reason: z.string(),
});
export type Screen = z.infer<typeof screenSchema>;

/** Documents, which may be of a version with more fields. */
const stored = {
  spec: tolerant(trialSpecSchema),
  training: tolerant(trainRequestSchema),
  result: tolerant(trialResultSchema),
};

const trialSchema = z.strictObject({
  spec: stored.spec,
  proposalKey: sha256Schema.nullable(),
  training: stored.training.nullable(),
  screen: screenSchema.nullable(),
  /** null until recorded */
  result: stored.result.nullable(),
});
export type Trial = z.infer<typeof trialSchema>;

export interface PlannedTrial {
  spec: TrialSpec;
  /** null: decided by `result`, never run */
  shard: number | null;
  result: TrialResult | null;
}

const columns = `spec, proposal_key as "proposalKey", training, screen, result`;
const resultColumns = `outcome, reason, edit_digest, training_key, device_seconds, result`;

/** Outcomes of accidents; every other is a finding, and stays. */
const reopened = ['cancelled', 'infra_failure'] satisfies Outcome[];

/** Trials inserted by one statement. */
const chunk = 2000;

export class Trials {
  constructor(private readonly db: Db) {}

  /** Writes a plan; trials that are there already stay as they are. Call it in a transaction. */
  async plan(trials: PlannedTrial[]): Promise<void> {
    for (let from = 0; from < trials.length; from += chunk) {
      await run(
        this.db,
        `insert into trials (trial_id, round_id, purpose, position, shard, source_id, spec, ${resultColumns}, recorded_at)
         select spec ->> 'trialId', spec ->> 'roundId', spec ->> 'purpose', (spec ->> 'index')::int, shard,
           spec ->> 'sourceId', spec, result ->> 'outcome', result ->> 'reason', result ->> 'editDigest',
           result ->> 'trainingKey', (result ->> 'deviceSeconds')::float8, result,
           case when result is null then null else now() end
         from jsonb_to_recordset($1) as planned (spec jsonb, shard int, result jsonb)
         on conflict do nothing`,
        [json(trials.slice(from, from + chunk))],
      );
    }
  }

  async get(trialId: string): Promise<Trial> {
    return row(this.db, trialSchema, `trial ${trialId}`, `select ${columns} from trials where trial_id = $1`, [
      trialId,
    ]);
  }

  /** A purpose's trials in order. */
  async ofPurpose(roundId: string, purpose: Purpose): Promise<Trial[]> {
    return rows(
      this.db,
      trialSchema,
      `select ${columns} from trials where round_id = $1 and purpose = $2 order by position`,
      [roundId, purpose],
    );
  }

  /** The specs of a shard's trials that have no outcome, in order. */
  async open(roundId: string, purpose: Purpose, shard: number): Promise<TrialSpec[]> {
    const found = await rows(
      this.db,
      z.strictObject({ spec: stored.spec }),
      `select spec from trials where round_id = $1 and purpose = $2 and shard = $3 and outcome is null order by position`,
      [roundId, purpose, shard],
    );
    return found.map(({ spec }) => spec);
  }

  /** How many of a writer's edits of a document before this position are neither written nor given up. */
  async unwrittenBefore({ roundId, sourceId, purpose, index }: TrialSpec, writer: PolicyVersion): Promise<number> {
    const { count } = await row(
      this.db,
      z.strictObject({ count: z.int() }),
      `candidates of ${sourceId}`,
      `select count(*)::int as count from trials
       where round_id = $1 and source_id = $2 and purpose = $4 and position < $3
         and spec #>> '{edit,writer}' = $5 and proposal_key is null and outcome is null`,
      [roundId, sourceId, index, purpose, writer],
    );
    return count;
  }

  /** What came of a shard's trials that have an outcome, added up. */
  async tally(roundId: string, purpose: Purpose, shard: number): Promise<ShardResult> {
    const found = await rows(
      this.db,
      z.strictObject({
        outcome: outcomeSchema,
        count: z.int(),
        deviceSeconds: z.number(),
        bestReward: z.number().nullable(),
      }),
      `select outcome, count(*)::int as count, sum(device_seconds) as "deviceSeconds",
         max((result #>> '{evaluation,reward,total}')::float8) as "bestReward"
       from trials where round_id = $1 and purpose = $2 and shard = $3 and outcome is not null
       group by outcome order by outcome`,
      [roundId, purpose, shard],
    );
    const rewards = found.flatMap(({ bestReward }) => bestReward ?? []);
    return {
      outcomes: Object.fromEntries(found.map(({ outcome, count }) => [outcome, count])),
      deviceSeconds: found.reduce((sum, { deviceSeconds }) => sum + deviceSeconds, 0),
      bestReward: rewards.length === 0 ? null : Math.max(...rewards),
    };
  }

  /** The shards that have a trial without an outcome: those that may be under way. */
  async openShards(roundId: string): Promise<{ purpose: Purpose; shard: number }[]> {
    return rows(
      this.db,
      z.strictObject({ purpose: purposeSchema, shard: z.int() }),
      `select distinct purpose, shard from trials where round_id = $1 and outcome is null and shard is not null
       order by purpose, shard`,
      [roundId],
    );
  }

  /**
   * Which proposal the trial trains on (null: the passage alone) and how. First write wins; returns the stored trial.
   */
  async setProposal(trialId: string, proposalKey: string | null, training: TrainRequest | null): Promise<Trial> {
    return this.update(
      `update trials set proposal_key = coalesce(proposal_key, $2), training = coalesce(training, $3)
       where trial_id = $1 returning ${columns}`,
      trialId,
      [proposalKey, json(training)],
    );
  }

  /** First write wins; returns the stored trial. */
  async setScreen(trialId: string, screen: Screen): Promise<Trial> {
    return this.update(
      `update trials set screen = coalesce(screen, $2) where trial_id = $1 returning ${columns}`,
      trialId,
      [json(screen)],
    );
  }

  /**
   * How the trial ended. The first write of the shard's latest run wins: retries and late attempts change nothing.
   * Returns the stored result; null where an older run writes and none is stored yet.
   *
   * @param modelDigest of the learner with the trial's adapter on top, where one was trained
   */
  async record(given: TrialResult, ofRun: number, modelDigest: string | null): Promise<TrialResult | null> {
    const result = (await this.trainedBefore(given)) ? { ...given, reused: true, deviceSeconds: 0 } : given;
    await run(
      this.db,
      `update trials set (${resultColumns}, model_digest, recorded_at) = ($2, $3, $4, $5, $6, $7, $8, now())
       where trial_id = $1 and outcome is null and run = $9`,
      [
        result.trialId,
        result.outcome,
        result.reason,
        result.editDigest,
        result.trainingKey,
        result.deviceSeconds,
        json(result),
        modelDigest,
        ofRun,
      ],
    );
    return (await this.get(result.trialId)).result;
  }

  /** Whether the adapter was trained for another trial, of this round or an earlier one: the device worked for it then. */
  private async trainedBefore({ trialId, trainingKey, adapter }: TrialResult): Promise<boolean> {
    if (trainingKey === null || adapter === null) return false;
    const found = await rows(
      this.db,
      z.strictObject({ trialId: z.string() }),
      `select trial_id as "trialId" from trials
       where training_key = $1 and trial_id <> $2 and result -> 'adapter' <> 'null' limit 1`,
      [trainingKey, trialId],
    );
    return found.length > 0;
  }

  /**
   * Gives this outcome to every planned trial of a round that has none, because no run will do it any more. Returns how
   * many.
   */
  async recordRest(roundId: string, outcome: Outcome, reason: string): Promise<number> {
    return run(
      this.db,
      `update trials set (outcome, reason, device_seconds, result, recorded_at)
         = ($2, $3, 0, $4::jsonb || jsonb_build_object('trialId', trial_id), now())
       where round_id = $1 and outcome is null`,
      [roundId, outcome, reason, json(emptyResult('of each', outcome, reason))],
    );
  }

  /** From now on this run's outcomes are recorded. Call it in a transaction. */
  async beginRun(roundId: string, purpose: Purpose, shard: number, ofRun: number): Promise<void> {
    await run(this.db, `update trials set run = $4 where round_id = $1 and purpose = $2 and shard = $3`, [
      roundId,
      purpose,
      shard,
      ofRun,
    ]);
  }

  /**
   * Opens a shard's trials again, for a later run of the round, whose outcome is no verdict on their edit. Leaves out
   * trials that later work is built on: where `settledBy`, the selection or the plan of another purpose, exists, and
   * after the report. Returns how many were opened.
   */
  async reopen(roundId: string, purpose: Purpose, shard: number, settledBy: Purpose | null): Promise<number> {
    return run(
      this.db,
      `with opened as (
         select trial_id, result, recorded_at from trials
         where round_id = $1 and purpose = $2 and shard = $3 and outcome = any ($4::text[])
           and not exists (select from reports where round_id = $1)
           and ($5::text is distinct from 'selection' or not exists (select from selections where round_id = $1))
           and not exists (select from trials where round_id = $1 and purpose = $5::text)
         for update
       ), kept as (
         insert into earlier_outcomes (trial_id, result, recorded_at) select trial_id, result, recorded_at from opened
       )
       update trials set (${resultColumns}, model_digest, recorded_at) = (null, null, null, null, null, null, null, null)
       from opened where trials.trial_id = opened.trial_id`,
      [roundId, purpose, shard, reopened, settledBy],
    );
  }

  /** What the training of a purpose's trials came to. */
  async trained(roundId: string, purpose: Purpose): Promise<{ deviceSeconds: number; steps: number }> {
    return row(
      this.db,
      z.strictObject({ deviceSeconds: z.number(), steps: z.number() }),
      `trials of ${roundId}`,
      `select coalesce(sum(device_seconds), 0) as "deviceSeconds", coalesce(sum((result ->> 'steps')::float8), 0) as steps
       from trials where round_id = $1 and purpose = $2 and outcome = 'scored'`,
      [roundId, purpose],
    );
  }

  /** What stood before it was opened again, oldest first. */
  async earlierOutcomes(roundId: string): Promise<TrialResult[]> {
    const found = await rows(
      this.db,
      z.strictObject({ result: stored.result }),
      `select e.result from earlier_outcomes e join trials t using (trial_id)
       where t.round_id = $1 order by e.reopened_at, t.purpose, t.position`,
      [roundId],
    );
    return found.map(({ result }) => result);
  }

  private async update(sql: string, trialId: string, values: (string | null)[]): Promise<Trial> {
    const updated = await maybeRow(this.db, trialSchema, sql, [trialId, ...values]);
    if (updated === null) throw new NotInLedger(`trial ${trialId}`);
    return updated;
  }
}

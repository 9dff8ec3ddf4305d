import { z } from 'zod';
import {
  describeModelResultSchema,
  modelRefSchema,
  roundConfigSchema,
  roundNumberOf,
  roundStages,
  sha256Schema,
  type DescribeModelResult,
  type ModelRef,
  type PolicyVersion,
  type RoundConfig,
  type RoundStage,
} from '../contract/index.js';
import { json, maybeRow, NotInLedger, row, rows, run, type Db } from './db.js';

const roundRowSchema = z.strictObject({
  roundId: z.string(),
  tenant: z.string(),
  config: roundConfigSchema,
  configDigest: sha256Schema,
  corpusDigest: sha256Schema.nullable(),
  model: describeModelResultSchema.nullable(),
  old: modelRefSchema.nullable(),
  new: modelRefSchema.nullable(),
  /** the release that the tenant's alias pointed at when the round was prepared */
  liveRelease: z.coerce.number().nullable(),
  /** what the corpus leaves out or lacks */
  corpusNotes: z.array(z.string()),
  status: z.enum(['running', 'completed', 'failed', 'cancelled']),
  reason: z.string(),
});
export type RoundRow = z.infer<typeof roundRowSchema>;

/** A round after `prepareRound`: what it runs on is fixed. `new` follows when its policy is trained. */
export interface PreparedRound extends RoundRow {
  corpusDigest: string;
  model: DescribeModelResult;
  old: ModelRef;
}

const campaignStandSchema = z.strictObject({
  tenant: z.string(),
  /** 0: none */
  lastCompleted: z.int().nonnegative(),
  /** the latest, the last first */
  completed: z.array(z.int().positive()),
});
export type CampaignStand = z.infer<typeof campaignStandSchema>;

const columns = `round_id as "roundId", tenant, config, config_digest as "configDigest", corpus_digest as "corpusDigest",
  model, old_model as old, new_model as new, live_release::text as "liveRelease", corpus_notes as "corpusNotes",
  status, reason`;

export class Rounds {
  constructor(private readonly db: Db) {}

  /**
   * Takes the id for this configuration. A second claim changes nothing: compare `config` of what is returned. Only a claim
   * that came to nothing, of a round that ended before it was prepared, gives way to another of its tenant.
   */
  async claim(claim: { roundId: string; config: RoundConfig; configDigest: string }): Promise<RoundRow> {
    const { roundId, config, configDigest } = claim;
    await run(
      this.db,
      `insert into rounds as r (round_id, tenant, config, config_digest, campaign, campaign_round)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (round_id) do update
       set config = excluded.config, config_digest = excluded.config_digest,
           campaign = excluded.campaign, campaign_round = excluded.campaign_round
       where r.corpus_digest is null and r.status <> 'running' and r.tenant = excluded.tenant`,
      [
        roundId,
        config.tenant,
        json(config),
        configDigest,
        config.campaign ?? null,
        config.campaign === undefined ? null : roundNumberOf(roundId),
      ],
    );
    return this.get(roundId);
  }

  async find(roundId: string): Promise<RoundRow | null> {
    return maybeRow(this.db, roundRowSchema, `select ${columns} from rounds where round_id = $1`, [roundId]);
  }

  /** A campaign's progress, by the rounds that it claimed; null: it has claimed none. */
  async campaign(campaign: string): Promise<CampaignStand | null> {
    return maybeRow(
      this.db,
      campaignStandSchema,
      `select min(tenant) as tenant,
              coalesce(max(campaign_round) filter (where status = 'completed'), 0) as "lastCompleted",
              coalesce((array_agg(campaign_round order by campaign_round desc)
                        filter (where status = 'completed'))[:20], '{}') as completed
       from rounds where campaign = $1 having count(*) > 0`,
      [campaign],
    );
  }

  /** The rounds of a campaign before one of them, of its tenant, model and prompt style: the latest `most`, in order. */
  async earlierInCampaign({ roundId, config }: Pick<RoundRow, 'roundId' | 'config'>, most: number): Promise<string[]> {
    if (config.campaign === undefined) return [];
    const found = await rows(
      this.db,
      z.strictObject({ roundId: z.string() }),
      `select round_id as "roundId" from rounds
       where campaign = $1 and campaign_round < $2
         and tenant = $3 and config ->> 'model' = $4 and config ->> 'promptStyle' = $5
       order by campaign_round desc limit $6`,
      [config.campaign, roundNumberOf(roundId) ?? 0, config.tenant, config.model, config.promptStyle, most],
    );
    return found.map(({ roundId }) => roundId).reverse();
  }

  async get(roundId: string): Promise<RoundRow> {
    const sql = `select ${columns} from rounds where round_id = $1`;
    return row(this.db, roundRowSchema, `round ${roundId}`, sql, [roundId]);
  }

  /** @throws NotInLedger before `prepareRound` */
  async prepared(roundId: string): Promise<PreparedRound> {
    const round = await this.get(roundId);
    const { corpusDigest, model, old } = round;
    if (corpusDigest === null || model === null || old === null) {
      throw new NotInLedger(`corpus and model for round ${roundId}: it is claimed but not prepared`);
    }
    return { ...round, corpusDigest, model, old };
  }

  /** Fixes what the round runs on. First write wins; returns the stored preparation. */
  async prepare(
    roundId: string,
    {
      corpusDigest,
      model,
      old,
      liveRelease,
      corpusNotes = [],
    }: Pick<PreparedRound, 'corpusDigest' | 'model' | 'old' | 'liveRelease'> &
      Partial<Pick<PreparedRound, 'corpusNotes'>>,
  ): Promise<PreparedRound> {
    await run(
      this.db,
      `update rounds set corpus_digest = $2, model = $3, old_model = $4, live_release = $5, corpus_notes = $6
       where round_id = $1 and corpus_digest is null`,
      [roundId, corpusDigest, json(model), json(old), liveRelease, json(corpusNotes)],
    );
    return this.prepared(roundId);
  }

  /** The policy that the round trained; first write wins. */
  async setNew(roundId: string, model: ModelRef): Promise<void> {
    await run(this.db, `update rounds set new_model = $2 where round_id = $1 and new_model is null`, [
      roundId,
      json(model),
    ]);
  }

  /** Moves the round to a stage, only forward: a late attempt of an earlier stage changes nothing. */
  async enter(roundId: string, stage: RoundStage): Promise<void> {
    await run(
      this.db,
      `update rounds set stage = $2 where round_id = $1 and status = 'running'
         and array_position($3::text[], stage) < array_position($3::text[], $2)`,
      [roundId, stage, [...roundStages]],
    );
  }

  /** How the round ended. A round that runs again under its id ends again, so the last close wins. */
  async close(roundId: string, { status, reason }: Pick<RoundRow, 'status' | 'reason'>): Promise<void> {
    await run(
      this.db,
      `update rounds set status = $2, reason = $3, closed_at = now(), stage = case $2 when 'completed' then 'done' else stage end
       where round_id = $1`,
      [roundId, status, reason],
    );
  }

  /** Marks a claimed round as under way, which after a close is a second run. */
  async reopen(roundId: string): Promise<void> {
    await run(
      this.db,
      `update rounds set status = 'running', stage = 'preparing', reason = '', closed_at = null
       where round_id = $1 and status <> 'running'`,
      [roundId],
    );
  }

  /** A round's documents, in the corpus's order. Written once, with the preparation. */
  async insertSources(roundId: string, role: 'train' | 'heldOut', sourceIds: string[]): Promise<void> {
    await run(
      this.db,
      `insert into round_sources (round_id, source_id, role, position)
       select $1, source_id, $2, position - 1 from unnest($3::text[]) with ordinality as given (source_id, position)
       on conflict do nothing`,
      [roundId, role, sourceIds],
    );
  }
}

/** @throws NotInLedger where the round has trained no policy */
export function modelOf(round: PreparedRound, version: PolicyVersion): ModelRef {
  if (version === 'old') return round.old;
  if (round.new === null) throw new NotInLedger(`new policy of round ${round.roundId}`);
  return round.new;
}

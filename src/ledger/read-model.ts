import { z } from 'zod';
import {
  decisionRecordSchema,
  gateResultSchema,
  gateSpecSchema,
  outcomeCountsSchema,
  roundStageSchema,
  type DecisionRecord,
  type GateView,
} from '../contract/index.js';
import { gateView } from '../governance/gates.js';
import { maybeRow, rows, type Db } from './db.js';

const utc = (column: string): string => `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
const msOf = (column: string): string => `(extract(epoch from ${column}) * 1000)::bigint::text`;

const roundSchema = z.strictObject({
  roundId: z.string(),
  tenant: z.string(),
  model: z.string(),
  status: z.enum(['running', 'completed', 'failed', 'cancelled']),
  stage: roundStageSchema,
  /** why the round ended as it did; empty while it runs */
  reason: z.string(),
  startedAt: z.string(),
  closedAt: z.string().nullable(),
  trials: z.strictObject({ planned: z.int(), recorded: z.int(), outcomes: outcomeCountsSchema }),
  /** null: none was opened */
  gateId: z.string().nullable(),
  /** null: nothing was released */
  releaseId: z.coerce.number().nullable(),
});
export type RoundSummary = z.infer<typeof roundSchema>;

const gateRowSchema = z.strictObject({
  spec: gateSpecSchema,
  instance: z.int().positive(),
  result: gateResultSchema.nullable(),
  openedAtMs: z.coerce.number(),
  closedAtMs: z.coerce.number().nullable(),
  decisions: z.array(decisionRecordSchema),
});

/** A gate as the ledger has it: what no message has told it (what is malformed, what is blocked) it does not know. */
export interface RecordedGate {
  instance: number;
  view: GateView;
}

const releaseSchema = z.strictObject({
  releaseId: z.coerce.number(),
  alias: z.string(),
  roundId: z.string(),
  gateId: z.string(),
  gateInstance: z.int().positive(),
  digest: z.string(),
  releasedAt: z.string(),
  live: z.boolean(),
  /** the decisions that counted at its gate */
  decisions: z.array(decisionRecordSchema),
});
export type ReleaseSummary = z.infer<typeof releaseSchema>;

const selectRound = `
  select r.round_id as "roundId", r.tenant, r.config ->> 'model' as model, r.status, r.stage, r.reason,
         ${utc('r.created_at')} as "startedAt", ${utc('r.closed_at')} as "closedAt",
         jsonb_build_object('planned', t.planned, 'recorded', t.recorded, 'outcomes', t.outcomes) as trials,
         (select g.gate_id from gates g where g.round_id = r.round_id order by g.opened_at desc limit 1) as "gateId",
         (select max(l.release_id)::text from releases l where l.round_id = r.round_id) as "releaseId"
  from rounds r cross join lateral (
    select coalesce(sum(n), 0)::int as planned, coalesce(sum(n) filter (where outcome is not null), 0)::int as recorded,
           coalesce(jsonb_object_agg(outcome, n) filter (where outcome is not null), '{}') as outcomes
    from (select outcome, count(*)::int as n from trials where round_id = r.round_id group by outcome) counted) t`;

const selectGate = `
  select g.spec, g.instance, g.result, ${msOf('g.opened_at')} as "openedAtMs", ${msOf('g.closed_at')} as "closedAtMs",
         coalesce((select jsonb_agg(d.decision order by d.recorded_at, (d.decision ->> 'atMs')::numeric, d.key)
                   from decisions d where d.gate_id = g.gate_id and d.instance = g.instance), '[]') as decisions
  from gates g`;

const selectRelease = `
  select l.release_id::text as "releaseId", l.alias, l.round_id as "roundId", l.gate_id as "gateId",
         l.gate_instance as "gateInstance", l.digest, ${utc('l.released_at')} as "releasedAt", a.release_id is not null as live,
         coalesce((select jsonb_agg(d.decision order by d.recorded_at, d.key) from decisions d
                   where d.gate_id = l.gate_id and d.instance = l.gate_instance and (d.decision ->> 'counted')::boolean),
                  '[]') as decisions
  from releases l left join aliases a using (release_id)`;

/**
 * What runs, waits and is live, for people: read from the ledger alone, so that it answers while no worker does. Nothing is
 * decided by it.
 */
export class ReadModel {
  constructor(private readonly db: Db) {}

  /** The latest rounds, the newest first. */
  async rounds({ running, limit }: { running: boolean; limit: number }): Promise<RoundSummary[]> {
    const where = running ? `where r.status = 'running'` : '';
    return rows(this.db, roundSchema, `${selectRound} ${where} order by r.created_at desc, r.round_id limit $1`, [
      limit,
    ]);
  }

  async round(roundId: string): Promise<RoundSummary | null> {
    return maybeRow(this.db, roundSchema, `${selectRound} where r.round_id = $1`, [roundId]);
  }

  /** The open gates, the one that was opened first at the top. */
  async openGates(): Promise<RecordedGate[]> {
    const found = await rows(this.db, gateRowSchema, `${selectGate} where g.outcome is null order by g.opened_at`);
    return found.map(recordedGate);
  }

  /** The latest instance of a gate. */
  async gate(gateId: string): Promise<RecordedGate | null> {
    const sql = `${selectGate} where g.gate_id = $1 order by g.instance desc limit 1`;
    const found = await maybeRow(this.db, gateRowSchema, sql, [gateId]);
    return found === null ? null : recordedGate(found);
  }

  /** Every release, or those of one alias, the newest first, with the decisions that let it pass. */
  async releases(alias: string | null = null): Promise<ReleaseSummary[]> {
    const sql = `${selectRelease} where $1::text is null or l.alias = $1 order by l.release_id desc`;
    return rows(this.db, releaseSchema, sql, [alias]);
  }

  async release(releaseId: number): Promise<ReleaseSummary | null> {
    return maybeRow(this.db, releaseSchema, `${selectRelease} where l.release_id = $1`, [releaseId]);
  }
}

function recordedGate({
  spec,
  instance,
  result,
  openedAtMs,
  closedAtMs,
  decisions,
}: z.infer<typeof gateRowSchema>): RecordedGate {
  const view = gateView({
    spec,
    state: result?.outcome ?? 'open',
    reason: result?.reason ?? '',
    dueAtMs: openedAtMs + spec.deadlineSeconds * 1000,
    closedAtMs,
    decisions,
    uncounted: result?.uncounted ?? decisions.filter(isUncounted).length,
    malformed: [],
    malformedCount: result?.malformed ?? 0,
  });
  return { instance, view };
}

const isUncounted = ({ counted }: DecisionRecord): boolean => !counted;

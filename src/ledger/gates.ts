import { z } from 'zod';
import {
  decisionRecordSchema,
  gateResultSchema,
  gateSpecSchema,
  type DecisionRecord,
  type GateResult,
  type GateSpec,
} from '../contract/index.js';
import { json, maybeRow, row, rows, run, type Db } from './db.js';

const gateSchema = z.strictObject({
  spec: gateSpecSchema,
  /** from 1; a round that is run again asks again */
  instance: z.int().positive(),
  /** the run of the gate's workflow that asked */
  runId: z.string(),
  /** null while open */
  result: gateResultSchema.nullable(),
});
export type Gate = z.infer<typeof gateSchema>;

const select = `select spec, instance, run_id as "runId", result from gates`;

/** Gates and what was said at them. Their rules are the activities'; use them in a transaction that holds the {@link lock}. */
export class Gates {
  constructor(private readonly db: Db) {}

  /** Lets one transaction at a time look at a gate and change it. */
  async lock(gateId: string): Promise<void> {
    await run(this.db, `select pg_advisory_xact_lock(hashtextextended('gate ' || $1, 0))`, [gateId]);
  }

  /** The latest instance. */
  async latest(gateId: string): Promise<Gate | null> {
    return maybeRow(this.db, gateSchema, `${select} where gate_id = $1 order by instance desc limit 1`, [gateId]);
  }

  /** The instance that a run asked. */
  async ofRun(gateId: string, runId: string): Promise<Gate | null> {
    return maybeRow(this.db, gateSchema, `${select} where gate_id = $1 and run_id = $2`, [gateId, runId]);
  }

  /** A further instance. */
  async open(spec: GateSpec, runId: string): Promise<Gate> {
    const { gateId, roundId, digest } = spec;
    return row(
      this.db,
      gateSchema,
      `gate ${gateId}`,
      `insert into gates (gate_id, instance, run_id, round_id, spec, digest)
       select $1, coalesce(max(instance), 0) + 1, $2, $3, $4, $5 from gates where gate_id = $1
       returning spec, instance, run_id as "runId", result`,
      [gateId, runId, roundId, json(spec), digest],
    );
  }

  /** Closes an open instance. */
  async close(instance: number, result: GateResult): Promise<void> {
    await run(
      this.db,
      `update gates set outcome = $3, result = $4, closed_at = now() where gate_id = $1 and instance = $2 and outcome is null`,
      [result.gateId, instance, result.outcome, json(result)],
    );
  }

  /** Keeps decisions, each once by its key. */
  async decide(gateId: string, instance: number, decisions: readonly DecisionRecord[]): Promise<void> {
    await run(
      this.db,
      `insert into decisions (gate_id, instance, key, decision)
       select $1, $2, decision ->> 'key', decision from jsonb_array_elements($3::jsonb) with ordinality as given (decision, n)
       order by n on conflict do nothing`,
      [gateId, instance, json(decisions)],
    );
  }

  /** Of an instance, by their times. */
  async decisions(gateId: string, instance: number): Promise<DecisionRecord[]> {
    const found = await rows(
      this.db,
      z.strictObject({ decision: decisionRecordSchema }),
      `select decision from decisions where gate_id = $1 and instance = $2
       order by recorded_at, (decision ->> 'atMs')::numeric, key`,
      [gateId, instance],
    );
    return found.map(({ decision }) => decision);
  }

  /** Open gates of other rounds of a tenant. */
  async openBeside(roundId: string, tenant: string, most: number): Promise<string[]> {
    const found = await rows(
      this.db,
      z.strictObject({ gateId: z.string() }),
      `select g.gate_id as "gateId" from gates g join rounds r using (round_id)
       where g.outcome is null and r.tenant = $2 and g.round_id <> $1 order by g.opened_at desc limit $3`,
      [roundId, tenant, most],
    );
    return found.map(({ gateId }) => gateId);
  }
}

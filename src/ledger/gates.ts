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
  /** null while open */
  result: gateResultSchema.nullable(),
});
export type Gate = z.infer<typeof gateSchema>;

const select = `select spec, result from gates where gate_id = $1`;

export class Gates {
  constructor(private readonly db: Db) {}

  /** The first opening of a gate id stands; returns what stands. */
  async open(spec: GateSpec): Promise<Gate> {
    await run(
      this.db,
      `insert into gates (gate_id, round_id, spec, digest) values ($1, $2, $3, $4) on conflict do nothing`,
      [spec.gateId, spec.roundId, json(spec), spec.digest],
    );
    return row(this.db, gateSchema, `gate ${spec.gateId}`, select, [spec.gateId]);
  }

  async get(gateId: string): Promise<Gate | null> {
    return maybeRow(this.db, gateSchema, select, [gateId]);
  }

  /** Keeps a decision once by its key. */
  async decide(gateId: string, decision: DecisionRecord): Promise<void> {
    await run(this.db, `insert into decisions (gate_id, key, decision) values ($1, $2, $3) on conflict do nothing`, [
      gateId,
      decision.key,
      json(decision),
    ]);
  }

  /** In the order in which they were recorded. */
  async decisions(gateId: string): Promise<DecisionRecord[]> {
    const found = await rows(
      this.db,
      z.strictObject({ decision: decisionRecordSchema }),
      `select decision from decisions where gate_id = $1 order by recorded_at, key`,
      [gateId],
    );
    return found.map(({ decision }) => decision);
  }

  /** The first close stands; returns what stands, null where the gate was never opened. */
  async close(result: GateResult): Promise<Gate | null> {
    await run(
      this.db,
      `update gates set outcome = $2, result = $3, closed_at = now() where gate_id = $1 and outcome is null`,
      [result.gateId, result.outcome, json(result)],
    );
    return this.get(result.gateId);
  }
}

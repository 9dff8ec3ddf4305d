import { z } from 'zod';
import { modelRefSchema, sha256Schema, type ModelRef } from '../contract/index.js';
import { json, maybeRow, row, run, type Db } from './db.js';

const releaseSchema = z.strictObject({
  releaseId: z.coerce.number(),
  alias: z.string(),
  roundId: z.string(),
  gateId: z.string(),
  gateInstance: z.int().positive(),
  digest: sha256Schema,
  model: modelRefSchema,
});
export type Release = z.infer<typeof releaseSchema>;

const columns = `r.release_id::text as "releaseId", r.alias, r.round_id as "roundId", r.gate_id as "gateId", r.gate_instance as "gateInstance", r.digest, r.model`;

export class Releases {
  constructor(private readonly db: Db) {}

  /** What the alias points at; null: nothing was ever released under it. */
  async live(alias: string): Promise<Release | null> {
    return maybeRow(
      this.db,
      releaseSchema,
      `select ${columns} from aliases a join releases r using (release_id) where a.alias = $1`,
      [alias],
    );
  }

  async ofRound(alias: string, roundId: string): Promise<Release | null> {
    return maybeRow(
      this.db,
      releaseSchema,
      `select ${columns} from releases r where r.alias = $1 and r.round_id = $2`,
      [alias, roundId],
    );
  }

  /** Lets one transaction at a time look at an alias and move it, also while the alias does not exist yet. */
  async lock(alias: string): Promise<void> {
    await run(this.db, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, [alias]);
  }

  /** Writes a release and points the alias at it. Call it in the transaction that holds the {@link lock}. */
  async publish(release: {
    alias: string;
    roundId: string;
    gateId: string;
    gateInstance: number;
    digest: string;
    model: ModelRef;
  }): Promise<Release> {
    const { alias, roundId, gateId, gateInstance, digest, model } = release;
    const published = await row(
      this.db,
      releaseSchema,
      `release of ${roundId}`,
      `insert into releases as r (alias, round_id, gate_id, gate_instance, digest, model) values ($1, $2, $3, $4, $5, $6)
       returning ${columns}`,
      [alias, roundId, gateId, gateInstance, digest, json(model)],
    );
    await run(
      this.db,
      `insert into aliases (alias, release_id) values ($1, $2)
       on conflict (alias) do update set release_id = excluded.release_id, changed_at = now()`,
      [alias, published.releaseId],
    );
    return published;
  }
}

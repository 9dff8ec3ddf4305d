import { z } from 'zod';
import { maybeRow, row, type Db } from './db.js';

const runSchema = z.strictObject({ run: z.int().positive() });

/** The runs of rounds and shards, counted, so that a late attempt of an older run can be told from the latest one's. */
export class Runs {
  constructor(private readonly db: Db) {}

  /**
   * Records that a workflow began. Only a later start than that of the latest known run is a new run; a repeated or a
   * late attempt gets that run's number.
   */
  async begin(workflowId: string, startedAtMs: number): Promise<{ run: number; isNew: boolean }> {
    const begun = await maybeRow(
      this.db,
      runSchema,
      `insert into runs (workflow_id, started_at_ms, run) values ($1, $2, 1)
       on conflict (workflow_id) do update set started_at_ms = excluded.started_at_ms, run = runs.run + 1
       where runs.started_at_ms < excluded.started_at_ms returning run`,
      [workflowId, startedAtMs],
    );
    return begun === null ? { run: await this.latest(workflowId), isNew: false } : { run: begun.run, isNew: true };
  }

  /** The number of the latest run; 0 where none has begun. */
  async latest(workflowId: string): Promise<number> {
    const sql = `select coalesce(max(run), 0) as run from runs where workflow_id = $1`;
    const { run } = await row(this.db, z.strictObject({ run: z.int() }), `runs of ${workflowId}`, sql, [workflowId]);
    return run;
  }
}

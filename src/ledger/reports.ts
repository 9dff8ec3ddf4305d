import { z } from 'zod';
import { activityContracts, tolerant, type ActivityResult } from '../contract/index.js';
import { json, maybeRow, row, run, type Db } from './db.js';

/** What `buildReport` returned; the whole report is the artifact. */
export type ReportSummary = ActivityResult<'buildReport'>;

const reportSchema = z.strictObject({ summary: tolerant(activityContracts.buildReport.result) });
const select = `select summary from reports where round_id = $1`;

export class Reports {
  constructor(private readonly db: Db) {}

  /** null before `buildReport` */
  async get(roundId: string): Promise<ReportSummary | null> {
    return (await maybeRow(this.db, reportSchema, select, [roundId]))?.summary ?? null;
  }

  /** First write wins, since a gate may be bound to the report; returns the stored one. */
  async insert(roundId: string, summary: ReportSummary): Promise<ReportSummary> {
    await run(
      this.db,
      `insert into reports (round_id, release_digest, summary) values ($1, $2, $3) on conflict do nothing`,
      [roundId, summary.releaseDigest, json(summary)],
    );
    return (await row(this.db, reportSchema, `report of ${roundId}`, select, [roundId])).summary;
  }
}

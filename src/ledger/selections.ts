import { z } from 'zod';
import { documentVersionSchema, sha256Schema, tolerant } from '../contract/index.js';
import type { Selection } from '../seal/records.js';
import { json, maybeRow, row, run, type Db } from './db.js';

const selectionSchema = z.strictObject({
  version: documentVersionSchema,
  rule: z.enum(['gain', 'reference']),
  candidates: z.array(
    z.strictObject({ sourceId: z.string(), trialId: z.string(), reward: z.number(), allowed: z.boolean() }),
  ),
  chosen: z.array(z.strictObject({ sourceId: z.string(), trialId: z.string(), reward: z.number(), tie: z.boolean() })),
  without: z.array(z.strictObject({ sourceId: z.string(), reason: z.string() })),
  ties: z.int().nonnegative(),
  digest: sha256Schema,
}) satisfies z.ZodType<Selection>;

const rowSchema = z.strictObject({ selection: tolerant(selectionSchema) });
const select = `select selection from selections where round_id = $1`;

export class Selections {
  constructor(private readonly db: Db) {}

  /** First write wins; returns the stored selection. */
  async insert(roundId: string, selection: Selection): Promise<Selection> {
    await run(
      this.db,
      `insert into selections (round_id, selection_digest, rule, selection) values ($1, $2, $3, $4)
       on conflict do nothing`,
      [roundId, selection.digest, selection.rule, json(selection)],
    );
    return (await row(this.db, rowSchema, `selection of ${roundId}`, select, [roundId])).selection;
  }

  /** null before `selectEdits` */
  async get(roundId: string): Promise<Selection | null> {
    return (await maybeRow(this.db, rowSchema, select, [roundId]))?.selection ?? null;
  }
}

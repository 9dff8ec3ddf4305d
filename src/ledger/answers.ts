import { z } from 'zod';
import { componentsSchema, sha256Schema } from '../contract/index.js';
import type { Arm } from '../domains/domain.js';
import { json, rows, run, type Db } from './db.js';

/** One answer with its scores. The first four fields are its key. */
export const answerSchema = z.strictObject({
  modelDigest: sha256Schema,
  itemDigest: sha256Schema,
  arm: z.enum(['closedBook', 'inContext']) satisfies z.ZodType<Arm>,
  grader: z.string(),
  itemId: z.string(),
  /** null for canaries and the frozen set */
  sourceId: z.string().nullable(),
  /** what was asked, as JSON of the domain */
  item: z.unknown(),
  /** what the model said, as JSON of the domain; null where the domain could read none */
  answer: z.unknown(),
  scores: componentsSchema,
});
export type Answer = z.infer<typeof answerSchema>;

const columns = `a.model_digest as "modelDigest", a.item_digest as "itemDigest", a.arm, a.grader, a.item_id as "itemId",
  a.source_id as "sourceId", a.item, a.answer, a.scores`;

export class Answers {
  constructor(private readonly db: Db) {}

  /** Those of the items that this model has answered, in no order. */
  async find(modelDigest: string, itemDigests: string[], arm: Arm, grader: string): Promise<Answer[]> {
    return rows(
      this.db,
      answerSchema,
      `select ${columns} from answers a
       where a.model_digest = $1 and a.item_digest = any ($2::text[]) and a.arm = $3 and a.grader = $4`,
      [modelDigest, itemDigests, arm, grader],
    );
  }

  /** The first write of a key wins; returns what is stored, in the order given. */
  async insert(answers: Answer[]): Promise<Answer[]> {
    // ordered by key, so that two writers of the same answers cannot wait for each other in a circle
    await run(
      this.db,
      `insert into answers (model_digest, item_digest, arm, grader, item_id, source_id, item, answer,
         scores)
       select "modelDigest", "itemDigest", arm, grader, "itemId", "sourceId", item, answer, scores
       from jsonb_to_recordset($1) as given ("modelDigest" text, "itemDigest" text, arm text, grader text, "itemId" text,
         "sourceId" text, item jsonb, answer jsonb, scores jsonb)
       order by "modelDigest", "itemDigest", arm, grader
       on conflict do nothing`,
      [json(answers)],
    );
    return rows(
      this.db,
      answerSchema,
      `select ${columns} from jsonb_array_elements($1) with ordinality as given (key, position)
       join answers a on a.model_digest = key ->> 'modelDigest' and a.item_digest = key ->> 'itemDigest'
         and a.arm = key ->> 'arm' and a.grader = key ->> 'grader'
       order by given.position`,
      [json(answers.map(({ modelDigest, itemDigest, arm, grader }) => ({ modelDigest, itemDigest, arm, grader })))],
    );
  }
}

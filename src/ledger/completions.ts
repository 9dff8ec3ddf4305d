import { z } from 'zod';
import { rows, run, type Db } from './db.js';

const completionSchema = z.strictObject({
  text: z.string(),
  /** tokens generated; 0 where the server does not count them */
  tokens: z.int(),
});
export type Completion = z.infer<typeof completionSchema>;

const storedSchema = completionSchema.extend({ key: z.string() });

export class Completions {
  constructor(private readonly db: Db) {}

  /** What is written already, by key. */
  async find(keys: string[]): Promise<Map<string, Completion>> {
    const found = await rows(
      this.db,
      storedSchema,
      `select completion_key as key, text, tokens from completions where completion_key = any ($1::text[])`,
      [keys],
    );
    return new Map(found.map(({ key, ...completion }) => [key, completion]));
  }

  /** The first write wins; returns what is stored. */
  async insert(key: string, completion: Completion): Promise<Completion> {
    await run(
      this.db,
      `insert into completions (completion_key, text, tokens) values ($1, $2, $3) on conflict do nothing`,
      [key, completion.text, completion.tokens],
    );
    return (await this.find([key])).get(key) ?? completion;
  }
}

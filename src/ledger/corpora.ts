import { z } from 'zod';
import type { Item, RetentionItem, Source } from '../domains/domain.js';
import { json, maybeRow, row, rows, run, type Db } from './db.js';

const roleSchema = z.enum(['train', 'heldOut']);
const retentionItemSchema = z.strictObject({
  itemId: z.string(),
  content: z.unknown(),
}) satisfies z.ZodType<RetentionItem>;
const itemSchema = retentionItemSchema.extend({ split: z.enum(['A', 'B']) }) satisfies z.ZodType<Item>;
const sourceSchema = z.strictObject({
  sourceId: z.string(),
  role: roleSchema,
  content: z.unknown(),
  items: z.array(itemSchema),
}) satisfies z.ZodType<Source>;

type RoundRole = z.infer<typeof roleSchema>;

const roundCountsSchema = z.strictObject({
  trainSources: z.int(),
  heldOutSources: z.int(),
  questionsA: z.int(),
  questionsB: z.int(),
});
type RoundCounts = z.infer<typeof roundCountsSchema>;

const longSourceSchema = z.strictObject({ sourceId: z.string(), tokens: z.int() });
/** A document with the number of its passage's tokens. */
export type LongSource = z.infer<typeof longSourceSchema>;

export const retentionKinds = ['canary', 'frozen'] as const;
export type RetentionKind = (typeof retentionKinds)[number];

export interface Corpus {
  corpusDigest: string;
  domain: string;
  /** where it was read from, for people */
  origin: string;
  sources: Source[];
  retention: Record<RetentionKind, RetentionItem[]>;
}

const sourceColumns = `s.source_id as "sourceId", s.role, s.content,
  (select coalesce(jsonb_agg(jsonb_build_object('itemId', i.item_id, 'split', i.split, 'content', i.content)
            order by i.position), '[]')
   from items i where i.corpus_digest = s.corpus_digest and i.source_id = s.source_id) as items`;

export class Corpora {
  constructor(private readonly db: Db) {}

  /** Freezes a corpus; one that is there already has the same digest, hence the same content. Call it in a transaction. */
  async freeze({ corpusDigest, domain, origin, sources, retention }: Corpus): Promise<void> {
    const inserted = await run(
      this.db,
      `insert into corpora (corpus_digest, domain, origin) values ($1, $2, $3) on conflict do nothing`,
      [corpusDigest, domain, origin],
    );
    if (inserted === 0) return;
    await run(
      this.db,
      `insert into sources (corpus_digest, source_id, position, role, content)
       select $1, s."sourceId", s.position, s.role, s.content
       from jsonb_to_recordset($2) as s ("sourceId" text, position int, role text, content jsonb)`,
      [corpusDigest, json(sources.map((source, position) => ({ ...source, items: undefined, position })))],
    );
    await run(
      this.db,
      `insert into items (corpus_digest, source_id, item_id, position, split, content)
       select $1, i."sourceId", i."itemId", i.position, i.split, i.content
       from jsonb_to_recordset($2)
         as i ("sourceId" text, "itemId" text, position int, split text, content jsonb)`,
      [
        corpusDigest,
        json(
          sources.flatMap(({ sourceId, items }) => items.map((item, position) => ({ ...item, sourceId, position }))),
        ),
      ],
    );
    await run(
      this.db,
      `insert into retention_items (corpus_digest, kind, item_id, position, content)
       select $1, i.kind, i."itemId", i.position, i.content
       from jsonb_to_recordset($2) as i (kind text, "itemId" text, position int, content jsonb)`,
      [
        corpusDigest,
        json(retentionKinds.flatMap((kind) => retention[kind].map((item, position) => ({ ...item, kind, position })))),
      ],
    );
  }

  async source(corpusDigest: string, sourceId: string): Promise<Source> {
    return row(
      this.db,
      sourceSchema,
      `source ${sourceId} in corpus ${corpusDigest}`,
      `select ${sourceColumns} from sources s where s.corpus_digest = $1 and s.source_id = $2`,
      [corpusDigest, sourceId],
    );
  }

  /** The round's documents of one role, in the corpus's order. */
  async roundSources(roundId: string, role: RoundRole): Promise<Source[]> {
    return rows(
      this.db,
      sourceSchema,
      `select ${sourceColumns} from round_sources rs
       join rounds r using (round_id)
       join sources s on s.corpus_digest = r.corpus_digest and s.source_id = rs.source_id
       where rs.round_id = $1 and rs.role = $2 order by rs.position`,
      [roundId, role],
    );
  }

  /** Their ids alone: a round may have tens of thousands. */
  async roundSourceIds(roundId: string, role: RoundRole): Promise<string[]> {
    const found = await rows(
      this.db,
      z.strictObject({ sourceId: z.string() }),
      `select source_id as "sourceId" from round_sources where round_id = $1 and role = $2 order by position`,
      [roundId, role],
    );
    return found.map(({ sourceId }) => sourceId);
  }

  /** How many documents the round has, and how many questions about those that it trains on. */
  async roundCounts(roundId: string): Promise<RoundCounts> {
    return row(
      this.db,
      roundCountsSchema,
      `documents of round ${roundId}`,
      `select count(distinct rs.source_id) filter (where rs.role = 'train')::int as "trainSources",
         count(distinct rs.source_id) filter (where rs.role = 'heldOut')::int as "heldOutSources",
         count(*) filter (where rs.role = 'train' and i.split = 'A')::int as "questionsA",
         count(*) filter (where rs.role = 'train' and i.split = 'B')::int as "questionsB"
       from round_sources rs join rounds r using (round_id)
       left join items i on i.corpus_digest = r.corpus_digest and i.source_id = rs.source_id
       where rs.round_id = $1`,
      [roundId],
    );
  }

  /** `count` documents of the round from the given place on; training documents come first. */
  async roundPart(roundId: string, from: number, count: number): Promise<Source[]> {
    return rows(
      this.db,
      sourceSchema,
      `select ${sourceColumns} from round_sources rs
       join rounds r using (round_id)
       join sources s on s.corpus_digest = r.corpus_digest and s.source_id = rs.source_id
       where rs.round_id = $1 order by rs.role = 'heldOut', rs.position limit $2 offset $3`,
      [roundId, count, from],
    );
  }

  /**
   * The training document after this one, the first after the last: whose questions a chosen adapter is asked as a control.
   * Null where the round has no other.
   */
  async nextTrainSource(roundId: string, sourceId: string): Promise<Source | null> {
    return maybeRow(
      this.db,
      sourceSchema,
      `select ${sourceColumns} from round_sources mine
       join round_sources rs on rs.round_id = mine.round_id and rs.role = mine.role and rs.source_id <> mine.source_id
       join rounds r on r.round_id = mine.round_id
       join sources s on s.corpus_digest = r.corpus_digest and s.source_id = rs.source_id
       where mine.round_id = $1 and mine.role = 'train' and mine.source_id = $2
       order by rs.position < mine.position, rs.position limit 1`,
      [roundId, sourceId],
    );
  }

  /** How many tokens the passage of each of these documents has. */
  async setPassageTokens(roundId: string, tokens: { sourceId: string; tokens: number }[]): Promise<void> {
    await run(
      this.db,
      `update round_sources rs set passage_tokens = given.tokens
       from jsonb_to_recordset($2) as given ("sourceId" text, tokens int)
       where rs.round_id = $1 and rs.source_id = given."sourceId"`,
      [roundId, json(tokens)],
    );
  }

  /** The round's documents whose passages are known to have more tokens, longest first. */
  async longerThan(roundId: string, tokens: number): Promise<LongSource[]> {
    return rows(
      this.db,
      longSourceSchema,
      `select rs.source_id as "sourceId", rs.passage_tokens as tokens from round_sources rs
       where rs.round_id = $1 and rs.passage_tokens > $2 order by rs.passage_tokens desc, rs.source_id`,
      [roundId, tokens],
    );
  }

  async retention(corpusDigest: string, kind: RetentionKind): Promise<RetentionItem[]> {
    return rows(
      this.db,
      retentionItemSchema,
      `select item_id as "itemId", content from retention_items
       where corpus_digest = $1 and kind = $2 order by position`,
      [corpusDigest, kind],
    );
  }
}

import { z } from 'zod';
import type { Item, Source } from '../domains/domain.js';
import { json, row, rows, run, type Db } from './db.js';

const partSchema = z.enum(['A', 'B']);
const itemSchema = z.strictObject({
  itemId: z.string(),
  question: z.string(),
  answer: z.string(),
  part: partSchema,
}) satisfies z.ZodType<Item>;
const sourceSchema = z.strictObject({
  sourceId: z.string(),
  title: z.string(),
  text: z.string(),
  part: z.enum(['train', 'heldOut']),
  items: z.array(itemSchema),
}) satisfies z.ZodType<Source>;

export const probeKinds = ['canary', 'frozen'] as const;
export type ProbeKind = (typeof probeKinds)[number];

/** A question that belongs to no source: a canary of general knowledge, or one of the frozen set. */
export const probeSchema = z.strictObject({ itemId: z.string(), question: z.string(), answer: z.string() });
export type Probe = z.infer<typeof probeSchema>;

export interface Corpus {
  corpusDigest: string;
  domain: string;
  /** where it was read from, for people */
  origin: string;
  sources: Source[];
  probes: Record<ProbeKind, Probe[]>;
}

const sourceColumns = `s.source_id as "sourceId", s.title, s.body as text, s.part,
  (select coalesce(jsonb_agg(jsonb_build_object(
            'itemId', i.item_id, 'question', i.question, 'answer', i.answer, 'part', i.part) order by i.position), '[]')
   from items i where i.corpus_digest = s.corpus_digest and i.source_id = s.source_id) as items`;

export class Corpora {
  constructor(private readonly db: Db) {}

  /** Freezes a corpus; one that is there already has the same digest, hence the same content. Call it in a transaction. */
  async freeze({ corpusDigest, domain, origin, sources, probes }: Corpus): Promise<void> {
    const inserted = await run(
      this.db,
      `insert into corpora (corpus_digest, domain, origin) values ($1, $2, $3) on conflict do nothing`,
      [corpusDigest, domain, origin],
    );
    if (inserted === 0) return;
    await run(
      this.db,
      `insert into sources (corpus_digest, source_id, position, part, title, body)
       select $1, s."sourceId", s.position, s.part, s.title, s.text
       from jsonb_to_recordset($2) as s ("sourceId" text, position int, part text, title text, text text)`,
      [corpusDigest, json(sources.map((source, position) => ({ ...source, items: undefined, position })))],
    );
    await run(
      this.db,
      `insert into items (corpus_digest, source_id, item_id, position, part, question, answer)
       select $1, i."sourceId", i."itemId", i.position, i.part, i.question, i.answer
       from jsonb_to_recordset($2)
         as i ("sourceId" text, "itemId" text, position int, part text, question text, answer text)`,
      [
        corpusDigest,
        json(
          sources.flatMap(({ sourceId, items }) => items.map((item, position) => ({ ...item, sourceId, position }))),
        ),
      ],
    );
    await run(
      this.db,
      `insert into probes (corpus_digest, kind, item_id, position, question, answer)
       select $1, p.kind, p."itemId", p.position, p.question, p.answer
       from jsonb_to_recordset($2) as p (kind text, "itemId" text, position int, question text, answer text)`,
      [
        corpusDigest,
        json(probeKinds.flatMap((kind) => probes[kind].map((probe, position) => ({ ...probe, kind, position })))),
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
  async roundSources(roundId: string, role: 'train' | 'heldOut'): Promise<Source[]> {
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

  async probes(corpusDigest: string, kind: ProbeKind): Promise<Probe[]> {
    return rows(
      this.db,
      probeSchema,
      `select item_id as "itemId", question, answer from probes
       where corpus_digest = $1 and kind = $2 order by position`,
      [corpusDigest, kind],
    );
  }
}

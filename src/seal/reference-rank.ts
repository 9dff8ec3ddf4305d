import { z } from 'zod';
import { canonicalDigest, type Parsed } from '../contract/index.js';
import type { Selection, TrialRecord } from './records.js';

/** SEAL's `rank_*.json`, as far as selection needs it: articles with their edits and the mean accuracy after training. */
const rankSchema = z.object({
  articles: z.array(
    z.object({
      title: z.string(),
      prompt: z.string(),
      completions: z.array(
        z.object({ text: z.string(), stats: z.object({ adapter_mean: z.number(), gain_mean: z.number() }) }),
      ),
    }),
  ),
});

/** A chosen edit as a row of supervised training. */
export interface PolicyRow {
  prompt: string;
  completion: string;
}

export interface ReferenceRank {
  /** for a rule: SEAL ranks by accuracy after training, `gain` by what it is above the baseline */
  records: (rule: 'gain' | 'reference') => TrialRecord[];
  /** the row of each trial */
  rows: ReadonlyMap<string, PolicyRow>;
}

/** Reads a parsed `rank_*.json` of SEAL. An empty edit is an invalid one. */
export function parseReferenceRank(raw: unknown): Parsed<ReferenceRank> {
  const parsed = rankSchema.safeParse(raw);
  if (!parsed.success) {
    return { ok: false, problems: parsed.error.issues.map((i) => `${i.path.join('.') || 'the file'}: ${i.message}`) };
  }
  const edits = parsed.data.articles.flatMap(({ title, prompt, completions }, article) =>
    completions.map(({ text, stats }, index) => ({
      sourceId: `${String(article).padStart(4, '0')} ${title}`,
      trialId: `article ${article} edit ${index}`,
      index,
      stats,
      row: { prompt, completion: text.trim() },
    })),
  );
  return {
    ok: true,
    value: {
      rows: new Map(edits.map(({ trialId, row }) => [trialId, row])),
      records: (rule) =>
        edits.map(({ sourceId, trialId, index, stats, row }) => {
          const total = rule === 'reference' ? stats.adapter_mean : stats.gain_mean;
          const scored = row.completion !== '';
          return {
            trialId,
            sourceId,
            index,
            outcome: scored ? 'scored' : 'invalid_edit',
            rewards: scored ? [{ gain: total, penalty: 0, total }] : [],
            editDigest: canonicalDigest(row),
            canariesLost: null,
          };
        }),
    },
  };
}

/** The chosen rows as JSONL, spelled as SEAL's own script spells them. */
export function renderRows(rank: ReferenceRank, selection: Selection): string {
  return selection.chosen
    .flatMap(({ trialId }) => rank.rows.get(trialId) ?? [])
    .map(({ prompt, completion }) => {
      return `{"prompt": ${JSON.stringify(prompt)}, "completion": ${JSON.stringify(completion)}}\n`;
    })
    .join('');
}

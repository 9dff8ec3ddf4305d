import { z } from 'zod';
import { textDigest } from '../../contract/index.js';
import type { Item, Problem, Source } from '../domain.js';

/** One file of a corpus: JSON or JSONL, told apart by what parses. */
export interface CorpusFile {
  file: string;
  text: string;
}

const text = z.string().trim().min(1, 'is empty');
const questionSchema = z.object({ question: text, answer: text, part: z.enum(['A', 'B']).optional() });
const documentSchema = z.object({
  title: text,
  context: text,
  part: z.enum(['train', 'heldOut']).optional(),
  questions: z.array(questionSchema).min(1, 'has no questions'),
});
type Document = z.infer<typeof documentSchema>;

const filesSchema = z.array(z.object({ file: z.string(), text: z.string() })).min(1);
/** SQuAD's own nesting; questions that it marks as unanswerable are left out. */
const squadSchema = z.object({
  data: z.array(
    z.object({
      title: z.unknown(),
      paragraphs: z.array(
        z.object({
          context: z.unknown(),
          qas: z.array(
            z.object({
              question: z.unknown(),
              answers: z.array(z.object({ text: z.unknown() })).default([]),
              is_impossible: z.boolean().optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

interface Raw {
  where: string;
  value: unknown;
}

/**
 * Sources from the text of a JSON or JSONL file, from such a text parsed, or from several {@link CorpusFile}s. A document
 * with a problem becomes no source. Where no document says its part, every fourth title is held out.
 */
export function readSources(raw: unknown): { sources: Source[]; problems: Problem[] } {
  const problems: Problem[] = [];
  const report = (where: string, what: string): void => void problems.push({ where, what });
  const found = documentsOf(raw, 'the corpus', report);
  const parsed = found.flatMap(({ where, value }) => {
    const result = documentSchema.safeParse(value);
    if (result.success) return [{ where, document: result.data }];
    for (const issue of result.error.issues) report(where, messageOf(issue));
    return [];
  });
  if (found.length === 0 && problems.length === 0) report('the corpus', 'holds no document');

  const partOf = partsOf(parsed.map(({ document }) => document));
  const seen = new Map<string, string>();
  const sources = parsed.flatMap(({ where, document }) => {
    const source = sourceOf(document, partOf(document));
    const twin = seen.get(source.sourceId);
    if (twin !== undefined) {
      report(where, `is the same document as ${twin}: remove one`);
      return [];
    }
    seen.set(source.sourceId, where);
    const doubled = source.items.find((item, i) => source.items.slice(0, i).some((i) => i.question === item.question));
    if (doubled !== undefined) report(where, `asks "${doubled.question}" twice: remove one`);
    const noA = !source.items.some(({ part }) => part === 'A');
    if (noA) report(where, 'has no question of part A: edits could not be chosen');
    return doubled !== undefined || noA ? [] : [source];
  });
  return { sources, problems };
}

type Report = (where: string, what: string) => void;

function documentsOf(raw: unknown, where: string, report: Report): Raw[] {
  if (typeof raw === 'string') return documentsOfText(raw, where, report);
  const files = filesSchema.safeParse(raw);
  if (files.success) return files.data.flatMap(({ file, text }) => documentsOfText(text, file, report));
  if (Array.isArray(raw)) return raw.map((value: unknown, i) => ({ where: `${where}, document ${i + 1}`, value }));
  if (isObject(raw) && 'data' in raw) return documentsOfSquad(raw, where, report);
  report(where, 'is neither an array of documents, nor JSONL, nor SQuAD’s { "data": [...] }');
  return [];
}

function documentsOfText(text: string, where: string, report: Report): Raw[] {
  const whole = parseJson(text);
  if (whole.ok && !(isObject(whole.value) && 'context' in whole.value)) return documentsOf(whole.value, where, report);
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    const at = `${where}, line ${i + 1}`;
    const parsed = parseJson(line);
    if (parsed.ok) return [{ where: at, value: parsed.value }];
    report(at, `is not JSON (${parsed.reason})`);
    return [];
  });
}

function documentsOfSquad(raw: object, where: string, report: Report): Raw[] {
  const parsed = squadSchema.safeParse(raw);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) report(where, messageOf(issue));
    return [];
  }
  return parsed.data.data.flatMap(({ title, paragraphs }, d) =>
    paragraphs.map(({ context, qas }, p) => ({
      where: `${where}, article ${d + 1}, paragraph ${p + 1}`,
      value: {
        title,
        context,
        questions: qas
          .filter(({ is_impossible }) => is_impossible !== true)
          .map(({ question, answers }) => ({ question, answer: answers[0]?.text })),
      },
    })),
  );
}

/** Passages of one title stay on one side: a held-out passage must not follow one that was trained on. */
function partsOf(documents: Document[]): (document: Document) => Source['part'] {
  if (documents.some(({ part }) => part !== undefined)) return ({ part }) => part ?? 'train';
  const titles = [...new Set(documents.map(({ title }) => title))];
  const heldOut = new Set(titles.filter((_, i) => i % 4 === 3));
  return ({ title }) => (heldOut.has(title) ? 'heldOut' : 'train');
}

function sourceOf({ title, context, questions }: Document, part: Source['part']): Source {
  const sourceId = `${slugOf(title)}-${textDigest(`${title}\n${context}`).slice(0, 8)}`;
  const items = questions.map(({ question, answer, part }, i): Item => ({
    itemId: `${sourceId}.q${i + 1}`,
    question,
    answer,
    part: part ?? (i % 2 === 0 ? 'A' : 'B'),
  }));
  return { sourceId, title, text: context, part, items };
}

function slugOf(title: string): string {
  const ascii = title.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return (
    ascii
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 40)
      .replace(/^-|-$/g, '') || 'document'
  );
}

function parseJson(text: string): { ok: true; value: unknown } | { ok: false; reason: string } {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message.slice(0, 120) : 'unreadable' };
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const messageOf = (issue: z.core.$ZodIssue): string =>
  issue.path.length === 0 ? issue.message : `${issue.path.join('.')} ${issue.message}`;

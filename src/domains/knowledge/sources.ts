import { textDigest } from '../../contract/index.js';
import type { Item, Reading, Source } from '../domain.js';
import { documentsIn, noDocument, type RawDocument, type RawQuestion } from '../reading/documents.js';
import { isTable, stemOf, type CorpusFile } from '../reading/files.js';
import { Findings } from '../reading/findings.js';
import { jsonValues } from '../reading/json.js';
import { tableRows } from '../reading/tables.js';
import { hasMoreWords, sameLine } from '../reading/text.js';
import { readableTitle, titleOf } from '../reading/titles.js';
import type { Passage, Question } from './schema.js';

/** Of a longer reference an answer must say nearly all. */
const answerWords = 25;

/**
 * Sources from the files of a corpus, in any layout that people have (README, "Your documents"). Duplicates are merged,
 * unusable parts are left out and named. Where no document states its part, every fourth title is held out.
 */
export function readSources(files: CorpusFile[]): Reading<Passage, Question> {
  const findings = new Findings();
  const found = files.flatMap((file) => documentsOfFile(file, findings));
  const { gathered, merged } = gather(found);
  const documents = gathered.map(titled);
  const partOf = partsOf(documents);
  const ids = new Set<string>();
  const sources = documents.flatMap((document) => {
    const source = sourceOf(document, partOf(document), ids);
    if (source.items.some(({ split }) => split === 'A')) return [source];
    findings.leave(document.where, 'document without a question of part A, by which its edits could be chosen');
    return [];
  });
  tellLongAnswers(documents, findings);
  if (sources.length === 0 && findings.problems.every(({ stops }) => !stops)) {
    const fix =
      'give JSON, JSONL, CSV or TSV with texts, questions and answers; README, "Your documents", has examples';
    const reasons = findings.reasons().slice(0, 3);
    const left = reasons.length === 0 ? '' : ` (left out: ${reasons.join('; ')})`;
    findings.problem('the corpus', `holds no document with a question and an answer${left}`, fix);
  }
  return { sources, problems: findings.problems, leftOut: findings.leftOut(), merged };
}

function documentsOfFile({ file, text }: CorpusFile, findings: Findings): RawDocument[] {
  if (text.trim() === '') {
    findings.leave(file, 'is empty');
    return [];
  }
  const values = isTable(file) ? tableRows(text, file, findings) : jsonValues(text, file, findings);
  const documents = values.flatMap(({ value, where }) => documentsIn(value, where, findings));
  if (values.length > 0 && documents.length === 0) findings.leaveWhole(file, noDocument);
  return documents;
}

type Gathered = Omit<RawDocument, 'row'>;

/** One document for each text and title, with each question once; a question asked twice has the answers of both. */
function gather(found: RawDocument[]): { gathered: Gathered[]; merged: number } {
  const byText = new Map<string, Gathered[]>();
  const gathered: Gathered[] = [];
  let merged = 0;
  for (const { row, questions, ...document } of found) {
    const { title, text, part } = document;
    const twins = byText.get(text) ?? [];
    byText.set(text, twins);
    let twin = twins.find((one) => one.title === title || one.title === null || title === null);
    if (twin === undefined) {
      twin = { ...document, questions: [] };
      twins.push(twin);
      gathered.push(twin);
    } else {
      twin.title ??= title;
      twin.part ??= part;
      if (!row) merged += 1;
    }
    merged += addQuestions(twin.questions, questions);
  }
  return { gathered, merged };
}

/** Returns how many were there already. */
function addQuestions(questions: RawQuestion[], more: RawQuestion[]): number {
  const known = new Map(questions.map((one) => [sameLine(one.question), one]));
  let again = 0;
  for (const one of more) {
    const twin = known.get(sameLine(one.question));
    if (twin === undefined) {
      const added = { ...one };
      questions.push(added);
      known.set(sameLine(one.question), added);
    } else {
      twin.references = [...new Set([...twin.references, ...one.references])];
      twin.part ??= one.part;
      again += 1;
    }
  }
  return again;
}

type Titled = Gathered & { title: string };

function titled(document: Gathered): Titled {
  const { title, text, where, questions } = document;
  if (title !== null) return { ...document, title: readableTitle(title, text) };
  const answers = questions.flatMap(({ references }) => references);
  return { ...document, title: titleOf(text, answers, stemOf(where.split(', ')[0] ?? '')) };
}

/**
 * Passages of one title stay on one side, and so does a passage under two titles: a held-out passage must not follow one that
 * was trained on.
 */
function partsOf(documents: Titled[]): (document: Titled) => Source['role'] {
  if (documents.some(({ part }) => part !== null)) return ({ part }) => part ?? 'train';
  const titleOfText = new Map<string, string>();
  for (const { title, text } of documents) if (!titleOfText.has(text)) titleOfText.set(text, title);
  const titles = [...new Set(titleOfText.values())];
  const heldOut = new Set(titles.filter((_, i) => i % 4 === 3));
  return ({ title, text }) => (heldOut.has(titleOfText.get(text) ?? title) ? 'heldOut' : 'train');
}

function sourceOf(
  { title, text, questions }: Titled,
  part: Source['role'],
  ids: Set<string>,
): Source<Passage, Question> {
  const digest = textDigest(`${title}\n${text}`);
  // titles of other scripts have one slug, so that a large corpus may meet eight digits twice
  const lengths = [8, 16, 64].map((length) => `${slugOf(title)}-${digest.slice(0, length)}`);
  const sourceId = lengths.find((id) => !ids.has(id)) ?? digest;
  ids.add(sourceId);
  const items = questions.map(({ question, references: [answer = '', ...otherAnswers], part }, i): Item<Question> => ({
    itemId: `${sourceId}.q${i + 1}`,
    split: part ?? (i % 2 === 0 ? 'A' : 'B'),
    content: { question, answer, otherAnswers },
  }));
  return { sourceId, role: part, content: { title, text }, items };
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

function tellLongAnswers(documents: Titled[], findings: Findings): void {
  const long = documents.flatMap(({ where, questions }) =>
    questions.filter(({ references }) => references.every((one) => hasMoreWords(one, answerWords))).map(() => where),
  );
  const [first] = long;
  if (first === undefined) return;
  findings.note(
    long.length === 1 ? first : `${first} and further on`,
    `${long.length} ${long.length === 1 ? 'question has' : 'questions have'} only answers of more than ${answerWords} words, and a model must say nearly all of one`,
    'add a short answer: the name, number or fact that is asked for',
  );
}

import { referencesOf } from './answers.js';
import { hasField, isObject, textOf, valuesOf } from './fields.js';
import type { Findings } from './findings.js';
import { isDocument, membersOf, rowsOfColumns } from './layouts.js';
import { cleanLine, cleanText, isVisible } from './text.js';

export interface RawQuestion {
  question: string;
  /** at least one */
  references: string[];
  part: 'A' | 'B' | null;
}

/** A document as one place of a file has it; other places may have more of it. */
export interface RawDocument {
  where: string;
  /** null: it has none */
  title: string | null;
  text: string;
  part: 'train' | 'heldOut' | null;
  questions: RawQuestion[];
  /** one question of a document, which other rows go on with */
  row: boolean;
}

type Fields = Record<string, unknown>;

/** Why something is left out that is no document in any layout. */
export const noDocument = 'holds no text with questions';

/** No layout is nested deeper. */
const deepest = 8;

/** The documents in a value of whatever layout; what is none is left out and named. */
export function documentsIn(value: unknown, where: string, findings: Findings, depth = 0): RawDocument[] {
  const deeper = (one: unknown, at: string): RawDocument[] => documentsIn(one, at, findings, depth + 1);
  if (depth <= deepest && Array.isArray(value)) {
    return value.flatMap((one: unknown, i) =>
      deeper(one, `${where}, ${isArticle(one) ? 'article' : 'document'} ${i + 1}`),
    );
  }
  if (depth <= deepest && isObject(value)) {
    if (isArticle(value)) return documentsOfArticle(value, where, findings);
    if (isObject(value['row'])) return deeper(value['row'], where);
    const rows = rowsOfColumns(value);
    if (rows !== null) return rows.flatMap((row, i) => deeper(row, `${where}, row ${i + 1}`));
    if (isDocument(value)) return documentOf(value, where, findings);
    // the first line of an MRQA file
    if (Object.keys(value).join() === 'header') return [];
    const members = membersOf(value);
    if (members.length === 1) return deeper(members[0], where);
    if (members.length > 1) return members.flatMap((one, i) => deeper(one, `${where}, member ${i + 1}`));
  }
  findings.leave(where, noDocument);
  return [];
}

/** Paragraphs that are texts alone are the text of one document. */
function isArticle(value: unknown): value is Fields {
  const paragraphs = isObject(value) ? valuesOf(value, 'paragraphs')[0] : null;
  return Array.isArray(paragraphs) && paragraphs.some(isObject);
}

/** SQuAD's nesting: paragraphs share a title, unless they have their own. */
function documentsOfArticle(article: Fields, where: string, findings: Findings): RawDocument[] {
  const paragraphs = valuesOf(article, 'paragraphs')[0] as unknown[];
  return paragraphs.flatMap((paragraph, i) => {
    const at = `${where}, paragraph ${i + 1}`;
    if (isObject(paragraph) && textOf(paragraph, 'text') !== null) {
      const shared = { title: textOf(article, 'title'), part: textOf(article, 'part') };
      const own = Object.entries(paragraph).filter(([, value]) => value !== '' && value !== null);
      return documentOf({ ...shared, ...Object.fromEntries(own) }, at, findings);
    }
    findings.leave(at, 'has no text');
    return [];
  });
}

function documentOf(fields: Fields, where: string, findings: Findings): RawDocument[] {
  const row = !hasField(fields, 'questions') && hasField(fields, 'question');
  const asked = row ? [fields] : entriesOf(fields);
  const text = cleanText(textOf(fields, 'text') ?? '');
  if (!isVisible(text)) {
    findings.leave(where, 'has no text that its questions are about', Math.max(1, asked.length));
    return [];
  }
  const questions = asked.flatMap((entry) => questionOf(entry, where, findings));
  if (questions.length === 0) {
    if (!row) findings.leave(where, 'document without a question that can be used');
    return [];
  }
  const title = textOf(fields, 'title');
  const part = partOf(fields, ['train', 'heldOut'], row ? ['A', 'B'] : [], where, findings);
  return [{ where, title: title !== null && isVisible(title) ? title : null, text, part, questions, row }];
}

/** The questions of a document, each with its answer: inside it, or at the same place of a second list. */
function entriesOf(fields: Fields): Fields[] {
  const [questions] = valuesOf(fields, 'questions');
  const entries: unknown[] = Array.isArray(questions) ? questions : isObject(questions) ? Object.values(questions) : [];
  const answers = valuesOf(fields, 'answers').find((one) => Array.isArray(one) && one.length === entries.length) as
    unknown[] | undefined;
  return entries.map((entry, i): Fields => {
    const asked: Fields = isObject(entry) ? entry : { question: entry };
    const question = hasField(fields, 'choices') ? { ...asked, choices: true } : asked;
    return answers === undefined || hasField(question, 'answers') ? question : { ...question, answers: answers[i] };
  });
}

function questionOf(fields: Fields, where: string, findings: Findings): RawQuestion[] {
  const question = cleanLine(textOf(fields, 'question') ?? '');
  const references = referencesOf(valuesOf(fields, 'answers'));
  const left = (why: string): [] => {
    findings.leave(where, why);
    return [];
  };
  if (!isVisible(question)) return left('question without words');
  if (hasField(fields, 'choices')) return left('multiple-choice question');
  if (isMarked(valuesOf(fields, 'impossible')) || references.includes(quacsNone)) {
    return left('question that is marked unanswerable');
  }
  if (references.length === 0) return left('question without an answer');
  return [{ question, references, part: partOf(fields, ['A', 'B'], ['train', 'heldOut'], where, findings) }];
}

/** QuAC's answer where there is none. */
const quacsNone = 'CANNOTANSWER';

const isMarked = (values: unknown[]): boolean => values.some((one) => /^(?:true|1)$/iu.test(String(one)));

/** The part that is written, in any case; `others` are parts of something else that shares the field. */
function partOf<T extends string>(
  fields: Fields,
  parts: readonly T[],
  others: readonly string[],
  where: string,
  findings: Findings,
): T | null {
  const written = textOf(fields, 'part');
  if (written === null) return null;
  const plain = (part: string): string => part.toLowerCase().replace(/[\s_-]/gu, '');
  const found = parts.find((part) => plain(part) === plain(written));
  if (found === undefined && !others.some((part) => plain(part) === plain(written))) {
    findings.note(where, `its part is none of ${parts.join(' and ')}`, 'correct it, or the split is by title');
  }
  return found ?? null;
}

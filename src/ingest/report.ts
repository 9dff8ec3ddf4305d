import type { CutLimits, Passage } from '../contract/index.js';
import { sameLine } from '../domains/reading/text.js';
import { cutDocument } from './cut.js';
import { Omissions, type FileProblem, type FileReading, type Omission } from './document.js';
import type { FileKind } from './kinds.js';

/** A file or an address as a knowledge base's sources give it. */
export interface ReadFile {
  /** relative to its folder, or an address without its scheme */
  path: string;
  /** null: it is of no kind that is read */
  kind: FileKind | null;
  reading: FileReading;
}

/** What became of a file. */
export type FileOutcome =
  | {
      path: string;
      kind: FileKind;
      outcome: 'read';
      documents: number;
      passages: number;
      words: number;
      omitted: Omission[];
      warnings: string[];
    }
  | ({ path: string; kind: FileKind | null; outcome: 'leftOut' } & FileProblem);

/** Why no snapshot can be taken. */
export interface IngestProblem {
  code: 'noSource' | 'nothingRead' | 'sameId' | 'sameTitle' | 'unreadableBefore' | 'tooManyFiles';
  what: string;
  fix: string;
}

export interface Ingest {
  files: FileOutcome[];
  passages: Passage[];
  problems: IngestProblem[];
}

/** A document with where it is from, for people. */
interface Placed {
  where: string;
  title: string;
  sharesTitle: boolean;
  passages: Passage[];
}

/** Cuts what was read into passages, and finds what no snapshot may have: two documents of one id or title. */
export function ingestFiles(files: readonly ReadFile[], limits: CutLimits): Ingest {
  const outcomes: FileOutcome[] = [];
  const documents: Placed[] = [];
  for (const { path, kind, reading } of files) {
    if (!reading.ok || kind === null) {
      if (!reading.ok) outcomes.push({ path, kind, outcome: 'leftOut', ...reading.problem });
      continue;
    }
    const omitted = new Omissions();
    for (const { what, count } of reading.omitted) omitted.add(what, count);
    const cut = reading.documents.map((document): Placed => {
      const { title, passages, omitted: more } = cutDocument(document, path, limits);
      for (const { what, count } of more) omitted.add(what, count);
      return {
        where: document.where === '' ? path : `${path}, ${document.where}`,
        title,
        sharesTitle: document.sharesTitle,
        passages,
      };
    });
    documents.push(...cut);
    const passages = cut.flatMap((document) => document.passages);
    outcomes.push({
      path,
      kind,
      outcome: 'read',
      documents: cut.length,
      passages: passages.length,
      words: passages.reduce((sum, { text }) => sum + countWords(text), 0),
      omitted: omitted.list(),
      warnings: reading.warnings,
    });
  }
  const passages = documents.flatMap((document) => document.passages);
  return { files: outcomes, passages: inOrder(passages), problems: problemsOf(documents) };
}

/** A snapshot has one order, whatever the order of its sources. */
const inOrder = (passages: Passage[]): Passage[] =>
  passages.sort((one, other) => (one.passageId < other.passageId ? -1 : one.passageId > other.passageId ? 1 : 0));

function problemsOf(documents: Placed[]): IngestProblem[] {
  if (documents.every(({ passages }) => passages.length === 0)) {
    return [
      {
        code: 'nothingRead',
        what: 'no file holds a text that is read',
        fix: 'add Markdown, text, HTML, PDF, DOCX, CSV or JSON files, or correct the globs',
      },
    ];
  }
  const sameIds = pairs(documents, ({ passages }) => passages.map(({ passageId }) => passageId));
  const sameTitles = pairs(
    documents.filter(({ sharesTitle }) => !sharesTitle),
    ({ title }) => [sameLine(title).toLowerCase()],
  ).filter(({ one, other }) => !sameIds.some((pair) => pair.one === one && pair.other === other));
  return [
    ...sameIds.map(({ one, other, key }): IngestProblem => ({
      code: 'sameId',
      what: `${one.where} and ${other.where} have one id: ${key}`,
      fix: 'rename one of them, or exclude it',
    })),
    ...sameTitles.map(({ one, other }): IngestProblem => ({
      code: 'sameTitle',
      what: `${one.where} and ${other.where} have one title: ${one.title}`,
      fix: 'give one another title, since questions name a document by its title; or exclude it',
    })),
  ];
}

/** Each document with the first one before it that has one of its keys. */
function pairs(
  documents: Placed[],
  keysOf: (document: Placed) => string[],
): { one: Placed; other: Placed; key: string }[] {
  const first = new Map<string, Placed>();
  return documents.flatMap((other) => {
    const keys = keysOf(other);
    const key = keys.find((one) => first.has(one));
    const one = key === undefined ? undefined : first.get(key);
    for (const each of keys) if (!first.has(each)) first.set(each, other);
    return one === undefined || key === undefined ? [] : [{ one, other, key }];
  });
}

const words = new Intl.Segmenter('und', { granularity: 'word' });

const countWords = (text: string): number =>
  Array.from(words.segment(text)).filter(({ isWordLike }) => isWordLike === true).length;

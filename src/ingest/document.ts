/** A piece of a document, in reading order. A heading of depth 1 is the highest. */
export type Block =
  { kind: 'heading'; depth: number; text: string } | { kind: 'paragraph' | 'list' | 'table' | 'code'; text: string };

/** Text of a file that no passage has, by what it is. */
export interface Omission {
  what: string;
  count: number;
}

/** A document as a reader finds it in a file. */
export interface ReadDocument {
  /** its id within the file, which holds several; null: the file is the document */
  key: string | null;
  /** where it is in the file, for people; empty: the file is the document */
  where: string;
  /** null: the document states none */
  title: string | null;
  /** whether other documents may have the title: paragraphs of one article */
  sharesTitle: boolean;
  blocks: Block[];
}

/** The document of a file that holds one. */
export const wholeFile = (title: string | null, blocks: Block[]): ReadDocument => ({
  key: null,
  where: '',
  title,
  sharesTitle: false,
  blocks,
});

/** Why a file or an address gives no document; a closed list, so that scripts can tell them apart. */
export const fileProblems = [
  'unsupported',
  'hidden',
  'excluded',
  'outside',
  'linkLoop',
  'danglingLink',
  'tooDeep',
  'tooLarge',
  'unreadable',
  'unreachable',
  'binary',
  'wrongEncoding',
  'damaged',
  'encrypted',
  'empty',
  'noText',
] as const;
export type FileProblemCode = (typeof fileProblems)[number];

export interface FileProblem {
  code: FileProblemCode;
  /** in words: what is wrong with the file */
  what: string;
  /** what to do about it */
  fix: string;
}

export type FileReading =
  | { ok: true; documents: ReadDocument[]; omitted: Omission[]; warnings: string[] }
  | { ok: false; problem: FileProblem };

export const problem = (code: FileProblemCode, what: string, fix: string): { ok: false; problem: FileProblem } => ({
  ok: false,
  problem: { code, what, fix },
});

/** Omissions by kind, each kind once. */
export class Omissions {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  list(): Omission[] {
    return [...this.#counts].map(([what, count]) => ({ what, count }));
  }
}

/** One file of a corpus. Its ending tells tables; JSON and JSONL are told apart by what parses. */
export interface CorpusFile {
  /** its path in the corpus's folder */
  file: string;
  text: string;
}

/** The endings of files that are read, in any case, each perhaps with `.gz` behind it. */
export const endings = ['json', 'jsonl', 'ndjson', 'csv', 'tsv', 'tab'] as const;
type Ending = (typeof endings)[number];

const pattern = new RegExp(`\\.(${endings.join('|')})(?:\\.gz)?$`, 'iu');

export function endingOf(file: string): Ending | null {
  const ending = pattern.exec(file)?.[1]?.toLowerCase();
  return endings.find((one) => one === ending) ?? null;
}

export const isTable = (file: string): boolean => ['csv', 'tsv', 'tab'].includes(endingOf(file) ?? '');

/** A file's name without folder and ending. */
export const stemOf = (file: string): string => file.replace(/^.*[/\\]/u, '').replace(pattern, '') || 'document';

import { eld } from 'eld/extrasmall';
import type { Source } from '../../domains/domain.js';

/** More of a text tells no more about its language. */
const shown = 500;

export interface LanguageCount {
  /** as in ISO 639-1, or `und` where none can be told */
  language: string;
  documents: number;
}

/** The languages that the documents are written in, those of most documents first. */
export function languagesOf(sources: Source[]): LanguageCount[] {
  const counts = new Map<string, number>();
  for (const { text } of sources) {
    const { language } = eld.detect(text.slice(0, shown));
    const name = language === '' ? 'und' : language;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .map(([language, documents]) => ({ language, documents }))
    .sort((one, other) => other.documents - one.documents);
}

import { eld } from 'eld/extrasmall';

/** More of a text tells no more about its language. */
const shown = 500;

export interface LanguageCount {
  /** as in ISO 639-1, or `und` where none can be told */
  language: string;
  documents: number;
}

/** The languages that texts are written in, those of most texts first. */
export function languagesOf(texts: string[]): LanguageCount[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    const { language } = eld.detect(text.slice(0, shown));
    const name = language === '' ? 'und' : language;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .map(([language, documents]) => ({ language, documents }))
    .sort((one, other) => other.documents - one.documents);
}

/** How an answer compares with the reference; never a bare boolean. */
export interface Grade {
  match: boolean;
  exactMatch: boolean;
  /** harmonic mean of token precision and recall, 0..1 */
  f1: number;
  /** share of the reference's tokens that the answer has, 0..1 */
  recall: number;
  words: number;
}

/** Names this file's rules; change it with them, because answers are cached under it. */
export const graderVersion = 'tokens-1';

const matchRecall = 0.6;
/** A longer answer could hold the reference by saying everything. */
const matchWords = 25;

/**
 * Grades as SQuAD does, on normalised tokens. A match is recall ≥ 0.6 or containment of the whole reference, in an answer
 * of at most 25 words.
 */
export function gradeAnswer(reference: string, answer: string): Grade {
  const wanted = tokensOf(reference);
  const given = tokensOf(answer);
  const shared = overlap(wanted, given);
  const recall = wanted.length === 0 ? 0 : shared / wanted.length;
  const words = answer.trim() === '' ? 0 : answer.trim().split(/\s+/u).length;
  return {
    match: words <= matchWords && (recall >= matchRecall || contains(given, wanted)),
    exactMatch: wanted.length > 0 && wanted.join(' ') === given.join(' '),
    f1: shared === 0 ? 0 : (2 * shared) / (wanted.length + given.length),
    recall,
    words,
  };
}

/**
 * Lower case, without punctuation, symbols and articles, split at spaces and dashes. A decimal point stays, so that 2.7 is
 * not 27; a text of articles alone keeps them, so that every reference has a token.
 */
export function tokensOf(text: string): string[] {
  const tokens = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\p{Pd}/\s]+/gu, ' ')
    .replace(/(?<=\d)\.(?=\d)/gu, '\u0000')
    .replace(/[\p{P}\p{S}]/gu, '')
    .replaceAll('\u0000', '.')
    .split(' ')
    .filter((token) => token !== '');
  const withoutArticles = tokens.filter((token) => !/^(?:a|an|the)$/u.test(token));
  return withoutArticles.length > 0 ? withoutArticles : tokens;
}

/** Tokens that both have, each as often as in the one with fewer. */
function overlap(left: string[], right: string[]): number {
  const counts = new Map<string, number>();
  for (const token of left) counts.set(token, (counts.get(token) ?? 0) + 1);
  let shared = 0;
  for (const token of right) {
    const left = counts.get(token) ?? 0;
    if (left === 0) continue;
    shared += 1;
    counts.set(token, left - 1);
  }
  return shared;
}

/** The reference as a run of tokens, the last of which may carry a plural or, after a digit, a unit: 1990s, 12km. */
function contains(given: string[], wanted: string[]): boolean {
  const last = wanted.at(-1);
  if (last === undefined) return false;
  return given.some((_, at) =>
    wanted.every((token, i) => {
      const found = given[at + i];
      if (found === undefined) return false;
      return found === token || (i === wanted.length - 1 && isInflected(found, last));
    }),
  );
}

function isInflected(found: string, token: string): boolean {
  if (!found.startsWith(token)) return false;
  const rest = found.slice(token.length);
  return /^(?:e?s)$/u.test(rest) || (/\d$/u.test(token) && /^\p{L}+$/u.test(rest));
}

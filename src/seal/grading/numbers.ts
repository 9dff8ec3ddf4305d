import { foldWord } from './fold.js';
import { lexicon } from './lexicon.js';
import { roman, spelled } from './numerals.js';
import type { Piece } from './pieces.js';

export interface ReadNumber {
  value: number;
  /** "one" may be no number: "one of them" */
  isVague: boolean;
  /** the piece after it */
  end: number;
}

/** Longer numbers are compared digit by digit: they are no values that a double holds. */
const mostDigits = 15;

const ordinalSuffix = /^(?:st|nd|rd|th|s|er|e|o|a)$/u;
const grouped = /^-?[1-9]\d{0,2}(?:(?:,\d{2,3})*,\d{3}|(?:\.\d{3})+|(?:['’]\d{3})+|(?: \d{3})+)(?:[.,]\d{1,2})?$/u;

/** The number that begins at a piece, however it is written: "-5", "3rd", "15 million", "two hundred and five", "VIII". */
export function readNumber(pieces: Piece[], at: number): ReadNumber | null {
  const isMinus = /^(?:minus|negative|минус)$/u.test(wordAt(pieces, at)) && firstOf(pieces, at + 1) !== null;
  const start = isMinus ? at + 1 : at;
  const first = firstOf(pieces, start);
  if (first === null) return null;
  const sign = isMinus || first < 0 ? -1 : 1;
  let [total, part, end] = [0, Math.abs(first), start + 1];
  if (pieces[start]?.kind === 'number' && pieces[end]?.gap === '' && ordinalSuffix.test(wordAt(pieces, end))) end += 1;
  for (;;) {
    const word = isJoined(pieces[end]) ? wordAt(pieces, end) : '';
    const scale = scaleOf(word);
    const next = isJoined(pieces[end + 1]) ? wordAt(pieces, end + 1) : '';
    if (scale !== undefined && end > start && (total + part) * scale < 10 ** mostDigits) {
      if (scale === 100) part *= scale;
      else [total, part] = [total + (part === 0 ? 1 : part) * scale, 0];
    } else if (isPartOf(word, total, part)) part += spelled.get(word) ?? 0;
    else if (word !== 'and' || part + total < 100 || !isPartOf(next, total, part)) break;
    end += 1;
  }
  return { value: sign * (total + part), isVague: wordAt(pieces, start) === 'one' && end === start + 1, end };
}

const isJoined = (piece: Piece | undefined): boolean => /^[\s-]*$/u.test(piece?.gap ?? '');

const wordAt = (pieces: Piece[], at: number): string => {
  const piece = pieces[at];
  return piece?.kind === 'word' ? foldWord(piece.raw) : '';
};

const scaleOf = (word: string): number | undefined =>
  word === '' ? undefined : word === 'hundred' ? 100 : lexicon().scales.get(word);

/** "twenty" before "one", "hundred" before "five"; "second" after a number is a unit. */
function isPartOf(word: string, total: number, part: number): boolean {
  const value = spelled.get(word);
  if (value === undefined || value === 0 || total + part === 0 || (word === 'second' && part > 0)) return false;
  if (part === 0) return true;
  return part % 100 === 0 ? value < 100 : part % 10 === 0 && value < 10 && part % 100 >= 20;
}

function firstOf(pieces: Piece[], at: number): number | null {
  const piece = pieces[at];
  if (piece?.kind === 'number') return piece.raw.length > mostDigits ? null : digitsOf(piece.raw);
  if (piece?.kind !== 'word') return null;
  const word = wordAt(pieces, at);
  if (/^an?$/u.test(word) && scaleOf(wordAt(pieces, at + 1)) !== undefined) return 1;
  return spelled.get(word) ?? romanAt(pieces, at);
}

function digitsOf(raw: string): number {
  if (!grouped.test(raw)) return Number(raw.replace(',', '.'));
  const [, whole = raw, fraction = ''] = /^(.*\d{3})(?:[.,](\d{1,2}))?$/u.exec(raw) ?? [];
  return Number(`${whole.replace(/[^\d-]/gu, '')}.${fraction}`);
}

/** A Roman numeral is one only after a name: "Henry VIII", "World War II", "Super Bowl XL". */
function romanAt(pieces: Piece[], at: number): number | null {
  const rawAt = (i: number): string => pieces[i]?.raw ?? '';
  if (!/^\p{Lu}\p{Ll}/u.test(rawAt(at - 1))) return null;
  // "Newton. I think"
  const isPronoun = /^\p{Ll}/u.test(rawAt(at + 1)) && !/^(?:of|and|was|von|de|y|et|und)$/u.test(rawAt(at + 1));
  return rawAt(at) === 'I' && isPronoun ? null : roman(rawAt(at));
}

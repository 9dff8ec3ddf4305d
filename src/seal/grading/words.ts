import { foldWord } from './fold.js';
import { lexicon } from './lexicon.js';
import { readNumber } from './numbers.js';
import { piecesOf } from './pieces.js';

/** A word or number of a text, as it is compared. */
export interface Word {
  text: string;
  /** the text between it and the word before */
  gap: string;
  /** what a number is worth, whatever its spelling */
  value?: number;
  /** of a number that may be none */
  isVague?: boolean;
  /** what a number counts: kilometer, percent, euro */
  unit?: string;
  /** 1 to 12, for a month's name next to a number */
  month?: number;
  /** written with a capital, as names are */
  isName: boolean;
}

/** A text with its words, which are read once. */
export interface Reading {
  text: string;
  words: Word[];
}

export const read = (text: string): Reading => ({ text, words: readWords(text) });

/** The words of a text in order, numbers read, units and months next to them recognised. */
export function readWords(text: string): Word[] {
  const pieces = piecesOf(text);
  const words: Word[] = [];
  for (let at = 0; at < pieces.length;) {
    const piece = pieces[at];
    const number = readNumber(pieces, at);
    if (piece === undefined) break;
    const { raw, gap } = piece;
    if (number === null) words.push({ text: textOf(raw), gap, isName: /^\p{Lu}/u.test(raw) });
    else words.push({ text: String(number.value), gap, value: number.value, isVague: number.isVague, isName: false });
    at = number?.end ?? at + 1;
  }
  return withUnits(words);
}

const elision = /^(?:[cdjlmnst]|qu|dell|all|nell|sull|dall|un)['’ʼ](?=\p{L})/iu;
const ending = /['’ʼ](?!t$)[^'’ʼ]*$/iu;

/** A word without possessive and elided article: "Bazaine's", "l'eau", "Panthers'ın"; "O'Neill" and "don't" are whole. */
function textOf(raw: string): string {
  const bare = raw.replace(elision, '');
  const whole = bare.replace(/^\p{L}['’ʼ]/u.test(bare) ? /['’ʼ]s$/iu : ending, '');
  return foldWord(whole.replace(/['’ʼ.]/gu, ''));
}

/** Units and months count only next to a number: "may" is mostly no month, and "m" mostly no unit. */
function withUnits(words: Word[]): Word[] {
  const { units, months } = lexicon();
  return words.flatMap((word, i): Word[] => {
    const [before, after] = [words[i - 1], words[i + 1]];
    if (word.value !== undefined) return [word];
    const isSymbol = /^[\p{Sc}%°]$/u.test(word.text);
    if ([words[i - 2], before, after, words[i + 2]].every((near) => near?.value === undefined)) {
      return isSymbol ? [] : [word];
    }
    const month = months.get(word.text);
    if (month !== undefined) return [{ ...word, month }];
    if (word.text === 'per' && after?.text === 'cent') return [];
    const isPercent = word.text === 'cent' && before?.text === 'per';
    // what follows a counter in Korean is a particle
    const isKorean = word.gap === '' && /^\p{Script=Hangul}/u.test(word.text);
    const unit = units.get(isPercent ? 'percent' : isKorean ? word.text.slice(0, 1) : word.text);
    const power = /^(?:square|cubic)$/u.test(before?.text ?? '') ? before?.text : undefined;
    const counted = isPercent || power !== undefined ? words[i - 2] : before;
    if (unit !== undefined && counted?.value !== undefined) {
      counted.unit = power === undefined ? unit : `${power} ${unit}`;
      return [{ ...word, text: unit }];
    }
    const isCode = /^(?:usd|eur|gbp)$/u.test(word.text);
    if (!isSymbol && !isCode) return [word];
    if (after?.value === undefined) return isCode ? [word] : [];
    after.unit = unit ?? word.text;
    return [{ ...word, text: after.unit }];
  });
}

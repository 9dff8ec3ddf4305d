import { isFiller } from './fillers.js';
import { isUnspaced } from './pieces.js';
import { isSameWord } from './same-word.js';
import type { Word } from './words.js';

/** A reference compared with a statement of an answer. */
export interface Comparison {
  wanted: Word[];
  given: Word[];
  /** what both answer; empty where that is not known */
  asked: Word[];
  /** for each word of the reference the index of the given word that matches it; `within` others; or null */
  found: (number | 'within' | null)[];
}

export function compare(wanted: Word[], given: Word[], asked: Word[]): Comparison {
  const used = new Set<number>();
  let last = -1;
  const found = wanted.map((word): number | 'within' | null => {
    const isFree = (i: number): boolean => !used.has(i) && says(word, given[i], asked);
    const ahead = given.findIndex((_, i) => i > last && isFree(i));
    const at = ahead >= 0 ? ahead : given.findIndex((_, i) => isFree(i));
    if (at < 0) return isCutElsewhere(word.text, given) ? 'within' : null;
    used.add(at);
    last = at;
    return at;
  });
  return { wanted, given, asked, found };
}

/**
 * Whether words of the statement make up the word: "post office" matches "postoffice". In a script without spaces it
 * may end within one, because the characters around it decide where the dictionary cuts.
 */
function isCutElsewhere(word: string, given: Word[]): boolean {
  const isRun = isUnspaced(word);
  if (word.length < (isRun ? 2 : shortestCompound)) return false;
  return given.some((_, from) => {
    let run = '';
    for (let at = from; at < given.length && run.length < word.length; at += 1) run += given[at]?.text ?? '';
    return isRun ? run.startsWith(word) : run === word;
  });
}

const shortestCompound = 6;

/** A word that only echoes the question matches no other form of itself. */
const says = (wanted: Word, given: Word | undefined, asked: Word[]): boolean =>
  given !== undefined &&
  isSameWord(wanted, given) &&
  (wanted.text === given.text || given.value !== undefined || !asked.some(({ text }) => text === given.text));

export const indicesOf = ({ found }: Comparison): number[] => found.filter((at) => typeof at === 'number');

/** The weight of a word of the reference: high for numbers and names, low for words of the question. */
const weights = { number: 3, name: 1.5, word: 1, asked: 0.3, filler: 0.1 };

/** The share of the reference that the statement contains. */
export function recallOf({ wanted, asked, found }: Comparison): number {
  const onlyFillers = wanted.every(({ text }) => isFiller(text));
  const weightOf = (word: Word): number => {
    if (word.value !== undefined) return weights.number;
    if (isFiller(word.text)) return onlyFillers ? weights.word : weights.filler;
    if (asked.some((other) => isSameWord(word, other))) return weights.asked;
    return word.isName ? weights.name : weights.word;
  };
  const sum = (words: Word[]): number => words.reduce((total, word) => total + weightOf(word), 0);
  return sum(wanted.filter((_, i) => found[i] !== null)) / sum(wanted);
}

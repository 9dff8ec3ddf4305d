import { indicesOf, type Comparison } from './comparison.js';
import { isFiller } from './fillers.js';
import { isNegation } from './polarity.js';
import { isSameWord } from './same-word.js';
import { startsClause } from './statements.js';
import type { Word } from './words.js';

/** A number or month of the reference is missing, counts something else, or is the end of a range or bound only. */
export function differsInNumber({ wanted, given, found }: Comparison): boolean {
  return wanted.some((word, i) => {
    const isLong = word.value === undefined && /^\d/u.test(word.text);
    if (word.month !== undefined || isLong) return found[i] === null;
    if (word.value === undefined || (word.isVague === true && wanted.length > 1)) return false;
    return !given.some(
      (other, at) =>
        other.value === word.value &&
        (word.unit ?? other.unit) === (other.unit ?? word.unit) &&
        (!isInRange(given, at) || isInRange(wanted, i)) &&
        !areOpposed(boundBefore(wanted, i), boundBefore(given, at)),
    );
  });
}

const rangeWord = /^(?:to|till|until|or|bis|oder|a|à|o|ou|до|или|ila|veya|至|到|或)$/u;

function isInRange(words: Word[], at: number): boolean {
  const isNumber = (i: number): boolean => words[i]?.value !== undefined;
  const isDash = (i: number): boolean => isNumber(i) && /^\s*[-–—~〜]\s*$/u.test(words[i]?.gap ?? '');
  const isJoint = (i: number): boolean => rangeWord.test(words[i]?.text ?? '') && words[i]?.gap.trim() === '';
  return (
    (isDash(at) && isNumber(at - 1)) ||
    isDash(at + 1) ||
    (isJoint(at + 1) && isNumber(at + 2)) ||
    (isJoint(at - 1) && isNumber(at - 2))
  );
}

const below = /^(?:<|≤|before|until|under|below|less|fewer|vor|unter|weniger|antes|menos|avant|moins|до|менее)$/u;
const above =
  /^(?:>|≥|after|since|over|above|more|exceeding|nach|uber|mehr|despues|mas|apres|plus|после|более|свыше)$/u;

type Bound = 'below' | 'above' | null;

/** "before 1900", "more than 5" */
function boundBefore(words: Word[], at: number): Bound {
  for (let i = at - 1; i >= at - 2; i -= 1) {
    const [word, next] = [words[i], words[i + 1]];
    if (word === undefined || next === undefined || startsClause(next)) return null;
    if (below.test(word.text)) return 'below';
    if (above.test(word.text)) return 'above';
  }
  return null;
}

const areOpposed = (one: Bound, other: Bound): boolean => one !== null && other !== null && one !== other;

const reachBefore = 4;
const reachAfter = 2;
/** Words that a negation does not reach over: "not London but Paris", "not before 1990". */
const turn = /^(?:but|and|until|before|sondern|und|bis|vor|sino|y|mais|et|ma|e|но|а|и)$/u;
/** Words that make a negation none: "not only Paris", "no later than 1990". */
const restriction = /^(?:only|just|merely|solely|nur|solo|seulement|только)$/u;
const comparison = /^(?:more|less|fewer|later|earlier|mehr|weniger)$/u;

/** One of the two is negated where the other is not: "not capitalized" for "capitalized". */
export function differsInNegation(compared: Comparison): boolean {
  const { wanted, given, asked } = compared;
  // "What is not allowed?" is answered with and without "not"
  if (asked.some(isNegation)) return false;
  const places = indicesOf(compared);
  if (places.length === 0) return false;
  const [first, last] = [Math.min(...places), Math.max(...places)];
  const isCut = (from: number, to: number): boolean =>
    given.slice(from + 1, to + 1).some((word) => startsClause(word) || turn.test(word.text));
  const isRestricted = wanted.some(({ text }) => restriction.test(text));
  const isUndone = (next = ''): boolean => comparison.test(next) || (restriction.test(next) && !isRestricted);
  const negated = given.some(
    (word, i) =>
      isNegation(word) &&
      !isUndone(given[i + 1]?.text) &&
      (i < first ? first - i <= reachBefore && !isCut(i, first) : i - last <= reachAfter && !isCut(last, i)),
  );
  return negated !== wanted.some(isNegation);
}

/**
 * Another word replaces a missing one of the reference: "Battle of Hastings" for "Battle of Stalingrad", "southern
 * France" for "northern France".
 */
export function differsInWord(compared: Comparison): boolean {
  const { wanted, given, asked, found } = compared;
  const isOf = (words: Word[], word: Word): boolean => words.some((one) => isSameWord(one, word));
  const isOther = (word: Word | undefined): boolean =>
    word !== undefined && word.value === undefined && !isFiller(word.text) && !isOf(wanted, word);
  const content = wanted.filter(({ text }) => !isFiller(text)).length;
  return wanted.some((word, i) => {
    if (found[i] !== null || word.value !== undefined || isFiller(word.text) || isOf(asked, word)) return false;
    if (word.isName) {
      const before = found.slice(0, i).findLast((at) => typeof at === 'number');
      const after = found.slice(i + 1).find((at) => typeof at === 'number');
      return [
        before === undefined ? undefined : nextContent(given, before, 1),
        after === undefined ? undefined : nextContent(given, after, -1),
      ].some((other) => other?.isName === true && isOther(other));
    }
    // of a long reference one word may be missing
    if (content > shortReference) return false;
    const [left, right] = [found[i - 1], found[i + 1]];
    // the word before another describes it; the word behind may be a verb, unless the clause ends there, and after a
    // number another name of the same things
    if (typeof right === 'number' && isDirect(given, right)) return isOther(given[right - 1]);
    if (typeof left !== 'number' || given[left]?.value !== undefined) return false;
    return isDirect(given, left + 1) && endsClause(given, left + 1) && isOther(given[left + 1]);
  });
}

const shortReference = 3;

/** Whether a word follows on the one before it with nothing but a space between. */
const isDirect = (words: Word[], at: number): boolean => at > 0 && /^\s*$/u.test(words[at]?.gap ?? ',');

function endsClause(words: Word[], at: number): boolean {
  const next = words[at + 1];
  return next === undefined || startsClause(next);
}

function nextContent(words: Word[], from: number, step: 1 | -1): Word | undefined {
  let at = from + step;
  while (isFiller(words[at]?.text ?? '')) at += step;
  return words[at];
}

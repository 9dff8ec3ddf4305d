import { isArticle, isFiller } from './fillers.js';
import { isUnspaced } from './pieces.js';
import { isNegation } from './polarity.js';
import { isSameWord } from './same-word.js';
import type { Word } from './words.js';

const separator = /[,،，;；/|·、\n•]/u;
const joint =
  /^(?:and|or|und|oder|y|e|o|et|ou|и|или|και|ή|ve|veya|và|hoặc|și|si|sau|och|eller|lub|와|및|또는|और|या|أو|和|或|與|与|および|または|และ|หรือ|ו)$/u;

const longestItem = 4;
const longList = 4;
const longRun = 6;

/** Whether the reference is one of many things that the answer lists, or of two that it offers: who names all is right by chance. */
export function isOneOfMany(wanted: Word[], given: Word[]): boolean {
  const content = wanted.filter(({ text }) => !isFiller(text));
  const isMeant = (word: Word): boolean => content.some((one) => isSameWord(one, word));
  const isBareRun = given.length >= Math.max(longRun, longList * wanted.length) && given.every(isBareName);
  return (
    isBareRun ||
    listedWith(given, isMeant) >= longList * listedWith(wanted, isMeant) ||
    (hasAlternative(given, isMeant) && !wanted.some(({ text }) => alternative.test(text)))
  );
}

const alternative = /^(?:or|oder|o|ou|или|ή|veya|hoặc|sau|eller|lub|또는|या|أو|或|または|หรือ|או)$/u;

/** "Paris or London"; with a comma before it, "or" gives another name of the same thing. */
function hasAlternative(words: Word[], isMeant: (word: Word) => boolean): boolean {
  return words.some(({ text, gap }, i) => {
    const [before, after] = [words[i - 1], words[i + 1]];
    if (!alternative.test(text) || gap.trim() !== '' || before === undefined || after === undefined) return false;
    const isOther = (word: Word): boolean =>
      !isMeant(word) && !isFiller(word.text) && (word.isName || isUnspaced(word.text));
    return (isMeant(before) && isOther(after)) || (isMeant(after) && isOther(before));
  });
}

/** How many things are listed in a row with the one that is meant, the part before them included: it leads up to the first. */
function listedWith(words: Word[], isMeant: (word: Word) => boolean): number {
  const parts = partsOf(words);
  const at = parts.findIndex((part) => part.some(isMeant));
  if (at < 0) return 1;
  let [first, last] = [at, at];
  while (first > 0 && isItem(parts[first])) first -= 1;
  while (isItem(parts[last + 1])) last += 1;
  return last - first + 1;
}

function partsOf(words: Word[]): Word[][] {
  const parts: Word[][] = [[]];
  for (const word of words) {
    if (separator.test(word.gap) || /^و\p{L}{3}/u.test(word.text)) parts.push([]);
    if (joint.test(word.text)) parts.push([]);
    else parts.at(-1)?.push(word);
  }
  return parts.filter((part) => part.length > 0);
}

/** A few words without a number, a negation or a preposition before them. */
function isItem(part: Word[] | undefined): boolean {
  const first = part?.[0]?.text ?? '';
  return (
    part !== undefined &&
    part.length <= longestItem &&
    part.every((word) => word.value === undefined && !isNegation(word)) &&
    (!isFiller(first) || isArticle(first))
  );
}

const isBareName = (word: Word): boolean => word.isName && word.gap.trim() === '' && !isFiller(word.text);

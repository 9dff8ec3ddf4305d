import { compare, recallOf, type Comparison } from './comparison.js';
import { differsInWord, differsInNegation, differsInNumber } from './contradictions.js';
import { isFiller } from './fillers.js';
import { foldText } from './fold.js';
import { isOneOfMany } from './lists.js';
import { polarityOf } from './polarity.js';
import { statementsOf } from './statements.js';
import type { Reading, Word } from './words.js';

const leastRecall = 0.6;

/**
 * Whether an answer states what the reference states. `asked` is the question of both, without words where it is not
 * known.
 */
export function isMatch(reference: Reading, answer: Reading, asked: Word[]): boolean {
  if (isEqual(reference, answer)) return true;
  const wanted = reference.words;
  if (wanted.length === 0) {
    return symbolsOf(reference.text) !== '' && symbolsOf(reference.text) === symbolsOf(answer.text);
  }
  const polarity = polarityOf(reference.text);
  if (polarity !== null) {
    if (polarityOf(answer.text) !== polarity) return false;
    if (wanted.length === 1 || answer.words.length === 1) return true;
  }
  return statementsOf(answer, wanted).some((statement) => says(statement, wanted, asked));
}

function says(statement: Word[], wanted: Word[], asked: Word[]): boolean {
  const comparison = compare(wanted, statement, asked);
  return (
    (recallOf(comparison) >= leastRecall || isSurname(comparison) || isAcronym(wanted, statement)) &&
    !differsInNumber(comparison) &&
    !differsInNegation(comparison) &&
    !differsInWord(comparison) &&
    !isOneOfMany(wanted, statement)
  );
}

const who =
  /^(?:who|whom|whose|wer|wen|wem|qui|quien|quienes|chi|quem|wie|кто|кого|kim|谁|誰|누가|누구|من|कौन|ใคร|ai|cine|ποιος)$/u;

/** A person is named by the last name alone, where the question asks for one. */
const isSurname = ({ wanted, asked, found }: Comparison): boolean =>
  asked.some(({ text }) => who.test(text)) && wanted.every(({ isName }) => isName) && typeof found.at(-1) === 'number';

/** "NFL" for "National Football League", or the other way about. */
function isAcronym(wanted: Word[], given: Word[]): boolean {
  const [short, long] = wanted.length === 1 ? [wanted, given] : [given, wanted];
  const initials = long.map(({ text, isName }) => (isFiller(text) ? '' : isName ? text.slice(0, 1) : ' ')).join('');
  return wanted.length === 1
    ? short.every(({ text, isName }) => isName && text.length > 2 && initials.includes(text))
    : initials.length > 1 && !initials.includes(' ') && short.some(({ text, isName }) => isName && text === initials);
}

/** Whether two texts are the same word for word or, without words, sign for sign. */
export function isEqual(one: Reading, other: Reading): boolean {
  if (one.words.length > 0 || other.words.length > 0) return areSameWords(one.words, other.words);
  const [left, right] = [one, other].map(({ text }) => foldText(text).replace(/\s/gu, ''));
  return left !== '' ? left === right : one.text === other.text && one.text !== '';
}

export const areSameWords = (left: Word[], right: Word[]): boolean =>
  left.length === right.length && left.every(({ text }, i) => text === right[i]?.text);

/** The parts of a text that have neither letters nor digits, without the quotes and full stops about them. */
const symbolsOf = (text: string): string =>
  foldText(text)
    .split(/\s+/u)
    .map((part) => part.replace(/^["'“‘«`(]+(?=.)|(?<=.)["'”’»`).,;:!?]+$/gu, ''))
    .filter((part) => part !== '' && !/[\p{L}\p{N}]/u.test(part))
    .join(' ');

import { isFiller } from './fillers.js';
import { isUnspaced } from './pieces.js';
import { readWords, type Reading, type Word } from './words.js';

/** Longer statements could hold the reference by saying everything. */
const mostWords = 25;
const mostSentences = 2;

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * The statements of an answer: all of it where it is short, else its first sentences, each whole where it is short,
 * else clause by clause. A clause with more than 25 words that mean something is left out. A long reference allows a
 * statement of its length.
 */
export function statementsOf(answer: Reading, wanted: Word[]): Word[][] {
  const most = Math.max(mostWords, 2 * wanted.length);
  if (answer.words.length <= most) return [answer.words];
  return [...sentences.segment(answer.text)]
    .map(({ segment }) => readWords(segment))
    .filter((words) => words.length > 0)
    .slice(0, mostSentences)
    .flatMap((words) => (words.length <= most ? [words] : passagesOf(words, most)))
    .filter((words) => words.filter(isContent).length <= most);
}

/** In languages whose small words are not known one by one, they are short. */
const isContent = ({ text, value }: Word): boolean =>
  !isFiller(text) && (text.length > 3 || value !== undefined || isUnspaced(text));

const clauseEnd = /[.,()（）،，;؛；:：。、।۔։?!？！؟\n]|\s[-–—]\s?|—/u;
const thai = /\p{Script=Thai}/u;

/** Whether a clause ends between a word and the one before it. */
export const startsClause = ({ gap, text }: Word): boolean =>
  // in Thai a space is a comma
  clauseEnd.test(gap) || (/\s/u.test(gap) && thai.test(text));

function clausesOf(words: Word[]): Word[][] {
  const clauses: Word[][] = [];
  for (const word of words) {
    const last = clauses.at(-1);
    if (last === undefined || startsClause(word)) clauses.push([word]);
    else last.push(word);
  }
  return clauses;
}

/** Each clause with as many of the next ones as are short together. */
function passagesOf(words: Word[], most: number): Word[][] {
  const clauses = clausesOf(words);
  return clauses.map((clause, i) => {
    const passage = [...clause];
    for (const next of clauses.slice(i + 1)) {
      if (passage.length + next.length > most) break;
      passage.push(...next);
    }
    return passage;
  });
}

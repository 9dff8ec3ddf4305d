import { isArticle } from './grading/fillers.js';
import { areSameWords, isEqual, isMatch } from './grading/match.js';
import { isSameWord } from './grading/same-word.js';
import { read, readWords, type Reading, type Word } from './grading/words.js';

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

/** Names the rules of this file and its folder; change it with them, because answers are cached under it. */
export const graderVersion = 'tokens-2';

/** What else is known of the question that both answer. */
export interface Asked {
  question?: string | undefined;
  /** further references: the best grade counts */
  otherAnswers?: readonly string[] | undefined;
}

/** Grades an answer against the reference and its alternatives, by the rules of `docs/grading.md`. */
export function gradeAnswer(reference: string, answer: string, asked: Asked = {}): Grade {
  const { question = '', otherAnswers = [] } = asked;
  const given = read(answer);
  const words = readWords(question);
  return [reference, ...otherAnswers]
    .map((one) => gradeAgainst(read(one), given, words))
    .reduce((best, grade) => (rankOf(grade) > rankOf(best) ? grade : best));
}

const rankOf = ({ match, exactMatch, f1 }: Grade): number => 4 * Number(exactMatch) + 2 * Number(match) + f1;

function gradeAgainst(reference: Reading, answer: Reading, asked: Word[]): Grade {
  const wanted = withoutArticles(reference.words);
  const given = withoutArticles(answer.words);
  const exactMatch = isEqual(reference, answer) || (wanted.length > 0 && areSameWords(wanted, given));
  const shared = overlap(wanted, given);
  return {
    match: exactMatch || isMatch(reference, answer, asked),
    exactMatch,
    f1: exactMatch ? 1 : shared === 0 ? 0 : (2 * shared) / (wanted.length + given.length),
    recall: exactMatch ? 1 : shared === 0 ? 0 : shared / wanted.length,
    words: answer.words.length,
  };
}

/** The words of a text as they are compared, without articles; a text of articles alone keeps them. */
export const tokensOf = (text: string): string[] => withoutArticles(readWords(text)).map(({ text: word }) => word);

function withoutArticles(words: Word[]): Word[] {
  const others = words.filter(({ text }) => !isArticle(text));
  return others.length > 0 ? others : words;
}

/** Words that both have, each as often as in the one with fewer. */
function overlap(wanted: Word[], given: Word[]): number {
  const left = [...given];
  return wanted.filter((word) => {
    const at = left.findIndex((other) => isSameWord(word, other));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  }).length;
}

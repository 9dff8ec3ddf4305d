import type { PassageQuestion } from '../contract/index.js';
import { sameLine } from '../domains/reading/text.js';
import { groupBy } from '../lib/group-by.js';

type Sourced = Pick<PassageQuestion, 'passageId' | 'answerSentence'>;

/** One sentence may be in two passages: what is learnt from one answers questions about the other. */
const sentenceOf = ({ answerSentence }: Sourced): string => sameLine(answerSentence).toLowerCase();

/**
 * Gives each question its split, so that questions on one answer sentence have the same: an adapter that is chosen by a sentence
 * must not be reported by it. Per passage, sentences alternate between A and B in their order.
 */
export function splitBySentence<Q extends Sourced>(questions: readonly Q[]): (Q & Pick<PassageQuestion, 'split'>)[] {
  const splits = new Map<string, 'A' | 'B'>();
  for (const some of groupBy(questions, ({ passageId }) => passageId).values()) {
    let next: 'A' | 'B' = 'A';
    for (const question of some) {
      const sentence = sentenceOf(question);
      if (splits.has(sentence)) continue;
      splits.set(sentence, next);
      next = next === 'A' ? 'B' : 'A';
    }
  }
  return questions.map((question) => ({ ...question, split: splits.get(sentenceOf(question)) ?? 'A' }));
}

/** The answer sentences that questions of both splits share. */
export const sharedSentences = (questions: readonly PassageQuestion[]): string[] =>
  [...groupBy(questions, sentenceOf).values()].flatMap((some) => {
    const [first] = some;
    return first !== undefined && some.some(({ split }) => split !== first.split) ? [first.answerSentence] : [];
  });

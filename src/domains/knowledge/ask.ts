import type { Prompt } from '../../contract/index.js';
import type { Arm, Asked } from '../domain.js';
import type { Passage, Question } from './schema.js';

/** Tokens of an answer that are asked for: more where a reference is longer, up to `mostTokens`. */
export const answerTokens = 24;
const mostTokens = 128;

/** A question that belongs to no document (a canary) has an empty title. */
const noPassage: Passage = { title: '', text: '' };

/** Answers end with their line: a base model would go on with the next question. */
export function ask(passage: Passage | null, item: Question, arm: Arm): Asked {
  const longest = [item.answer, ...item.otherAnswers].map(longestTokens);
  return {
    prompt: itemPrompt(passage ?? noPassage, item, arm),
    sampling: { maxTokens: Math.min(mostTokens, Math.max(answerTokens, ...longest)), temperature: 0, stop: ['\n'] },
    reference: ` ${item.answer}`,
  };
}

/**
 * How a question is put, in evaluation and in training alike: a model answers as it was taught to be asked.
 *
 * Plain text for chat models too: the roles and the default system turn of a chat template can be longer than question and
 * answer together, and a trial would be trained on them in every sequence.
 */
export function itemPrompt(
  { title, text }: Passage,
  { question }: Pick<Question, 'question'>,
  arm: Arm,
): Prompt & { kind: 'text' } {
  const passage = arm === 'inContext' ? `${text}\n\n` : '';
  const shown = title === '' ? passage : `${title}\n${passage}`;
  return { kind: 'text', text: `${shown}Q: ${question}\nA:` };
}

/** About as many tokens as a text can have: what a tokenizer of English does not know, it reads byte by byte. */
function longestTokens(text: string): number {
  const known = text.match(/[\x20-\x7e]/gu)?.length ?? 0;
  return Math.ceil(known / 3) + (new TextEncoder().encode(text).length - known);
}

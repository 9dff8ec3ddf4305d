import type { Prompt } from '../../contract/index.js';
import type { Arm, Item, Source } from '../domain.js';

/**
 * How a question is put, in evaluation and in training alike: a model answers as it was taught to be asked. A
 * question that belongs to no document (a canary) has an empty title.
 *
 * Plain text for chat models too: the roles and the default system turn of a chat template can be longer than question and
 * answer together, and a trial would be trained on them in every sequence.
 */
export function itemPrompt(
  { title, text }: Pick<Source, 'title' | 'text'>,
  { question }: Pick<Item, 'question'>,
  arm: Arm,
): Prompt & { kind: 'text' } {
  const passage = arm === 'inContext' ? `${text}\n\n` : '';
  const shown = title === '' ? passage : `${title}\n${passage}`;
  return { kind: 'text', text: `${shown}Q: ${question}\nA:` };
}

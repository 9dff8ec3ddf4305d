import type { Prompt } from '../../contract/index.js';
import type { Arm, Item, PromptStyle, Source } from '../domain.js';

/**
 * How a question is put, in evaluation and in training alike: a model answers as it was taught to be asked. A
 * question that belongs to no document (a canary) has an empty title.
 */
export function itemPrompt(
  source: Pick<Source, 'title' | 'text'>,
  item: Pick<Item, 'question'>,
  arm: Arm,
  style: PromptStyle,
): Prompt {
  const context = arm === 'inContext' ? `${source.title}\n${source.text}\n\n` : '';
  const topic = source.title === '' || arm === 'inContext' ? '' : `Topic: ${source.title}\n`;
  const question = `${context}${topic}Question: ${item.question}\n`;
  if (style === 'chat') {
    return { kind: 'chat', messages: [{ role: 'user', content: `${question}Give a short answer.` }] };
  }
  return { kind: 'text', text: `${question}Short answer:` };
}

import type { Prompt } from '../../contract/index.js';
import type { Arm, Item, PromptStyle, Source } from '../domain.js';

/** How a question is put, in evaluation and in training alike: a model answers as it was taught to be asked. */
export function itemPrompt(
  source: Pick<Source, 'title' | 'text'>,
  item: Pick<Item, 'question'>,
  arm: Arm,
  style: PromptStyle,
): Prompt {
  const context = arm === 'inContext' ? `${source.title}\n${source.text}\n\n` : '';
  const topic = source.title === '' || arm === 'inContext' ? '' : `Topic: ${source.title}\n`;
  if (style === 'chat') {
    const content = `${context}Answer the question with a few words only.\n${topic}Question: ${item.question}`;
    return { kind: 'chat', messages: [{ role: 'user', content }] };
  }
  return { kind: 'text', text: `${context}${topic}Question: ${item.question}\nShort answer:` };
}

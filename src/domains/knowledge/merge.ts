import type { Example } from '../../contract/index.js';
import { groupBy } from '../../lib/group-by.js';
import { tokensOf } from '../../seal/grading.js';

/**
 * What several edits of one passage teach, each thing once and in the order of its first mention. Where they answer a
 * question differently, the most frequent answer is kept, of equals the first.
 */
export function mergeExamples(edits: Example[][]): Example[] {
  const byPrompt = groupBy(edits.flat(), promptKey);
  return [...byPrompt.values()].flatMap((alike) => mostCommon(alike) ?? []);
}

function mostCommon(alike: Example[]): Example | undefined {
  const byWords = [...groupBy(alike, (example) => wordsKey(taught(example))).values()];
  return byWords.reduce<Example[]>((most, same) => (same.length > most.length ? same : most), [])[0];
}

/** A row without a prompt is asked nothing: its own words are what it is known by. */
const promptKey = (example: Example): string => {
  if ('prompt' in example) return `prompt ${wordsKey(example.prompt)}`;
  if ('text' in example) return `text ${wordsKey(example.text)}`;
  return `messages ${JSON.stringify(example.messages.slice(0, -1))}`;
};

function taught(example: Example): string {
  if ('prompt' in example) return example.completion;
  return 'text' in example ? example.text : (example.messages.at(-1)?.content ?? '');
}

const wordsKey = (text: string): string => tokensOf(text).join(' ');

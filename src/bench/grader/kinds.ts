import { isFiller } from '../../seal/grading/fillers.js';
import { readWords } from '../../seal/grading/words.js';

/** What a reference is, as far as its words show it. */
export const kinds = ['number', 'name', 'one word', 'two or three words', 'more words'] as const;
export type Kind = (typeof kinds)[number];

export function kindOf(reference: string): Kind {
  const words = readWords(reference).filter(({ text }) => !isFiller(text));
  if (words.some(({ value }) => value !== undefined)) return 'number';
  if (words.length > 0 && words.every(({ isName }) => isName)) return 'name';
  return words.length <= 1 ? 'one word' : words.length <= 3 ? 'two or three words' : 'more words';
}

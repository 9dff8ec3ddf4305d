import { isObject } from './fields.js';
import { cleanLine, isVisible } from './text.js';

/** Where an answer that is an object keeps its text. */
const textKeys = ['text', 'answer', 'answer_text', 'answerText', 'input_text', 'span', 'span_text', 'value'];

/**
 * The reference answers in what a file calls an answer: a text, a number, yes or no; an object around one; or a list of
 * them, `{ text: [], answer_start: [] }` too. In the file's order, each once.
 */
export function referencesOf(values: unknown[]): string[] {
  const texts = values.flatMap(textsOf).map(cleanLine).filter(isVisible);
  return [...new Set(texts)];
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return Number.isFinite(value) ? [String(value)] : [];
  if (typeof value === 'boolean') return [value ? 'yes' : 'no'];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (!isObject(value)) return [];
  const key = textKeys.find((one) => value[one] !== undefined && value[one] !== null);
  return key === undefined ? [] : textsOf(value[key]);
}

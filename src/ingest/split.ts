import { estimateTokens } from '../lib/tokens.js';

const sentences = new Intl.Segmenter('und', { granularity: 'sentence' });
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
const segmentsOf = (segmenter: Intl.Segmenter, text: string): string[] =>
  Array.from(segmenter.segment(text), ({ segment }) => segment);

/** Where a text may be cut, the best places first. The pieces of each level joined are the text. */
const levels: readonly ((text: string) => string[])[] = [
  (text) => text.split(/(?<=\n\n)/u),
  (text) => text.split(/(?<=\n)/u),
  (text) => segmentsOf(sentences, text),
  (text) => text.split(/(?<=\s)/u),
  (text) => segmentsOf(graphemes, text),
  (text) => Array.from(text),
];

/** Growth of the bound on a part while parts of equal length are looked for. */
const growth = 1.1;

/**
 * Cuts a text into parts of at most `maxTokens` estimated tokens: between blocks, else lines, sentences, words or characters.
 * No part is much shorter than the others. Parts are trimmed; nothing else of the text is lost.
 */
export function splitText(text: string, maxTokens: number): string[] {
  const parts = packed(piecesOf(text, maxTokens), maxTokens);
  if (parts.length < 2) return parts;
  for (let bound = estimateTokens(text) / parts.length; bound < maxTokens; bound *= growth) {
    const even = packed(piecesOf(text, bound), bound);
    if (even.length === parts.length && even.every((part) => estimateTokens(part) <= maxTokens)) return even;
  }
  return parts;
}

function piecesOf(text: string, maxTokens: number, level = 0): string[] {
  const cut = levels[level];
  if (cut === undefined || estimateTokens(text) <= maxTokens) return [text];
  return cut(text).flatMap((piece) => piecesOf(piece, maxTokens, level + 1));
}

function packed(pieces: string[], maxTokens: number): string[] {
  const parts: string[] = [];
  let part = '';
  for (const piece of pieces) {
    if (part !== '' && estimateTokens(part + piece) > maxTokens) {
      parts.push(part);
      part = piece;
    } else part += piece;
  }
  return [...parts, part].map((one) => one.trim()).filter((one) => one !== '');
}

import { readWords } from '../../seal/grading/words.js';

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });
const minWords = 4;

/**
 * The sentences of a passage, scraps joined to the one before; in at most `atMost` parts of equal length, if more. In
 * Thai, which has no full stop, a sentence is the text between two spaces.
 */
export function sentencesOf(passage: string, atMost: number): string[] {
  const sentences: string[] = [];
  for (const { segment } of segmenter.segment(passage)) {
    for (const part of /\p{Script=Thai}/u.test(segment) ? segment.split(/(?<=\s)/u) : [segment]) {
      const before = sentences.at(-1);
      if (before !== undefined && readWords(part).length < minWords) sentences[sentences.length - 1] = before + part;
      else sentences.push(part);
    }
  }
  const whole = sentences.filter((sentence) => sentence.trim() !== '');
  const size = Math.ceil(whole.length / atMost);
  return Array.from({ length: Math.ceil(whole.length / Math.max(1, size)) }, (_, i) =>
    whole
      .slice(i * size, (i + 1) * size)
      .join('')
      .trim()
      .replace(/\s+/gu, ' '),
  );
}

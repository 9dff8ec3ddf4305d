import type { Example } from '../../contract/index.js';
import { isFiller } from '../../seal/grading/fillers.js';
import { tokensOf } from '../../seal/grading.js';
import { itemPrompt } from './ask.js';
import { passageExample } from './edits.js';
import type { Passage } from './schema.js';
import { sentencesOf } from './sentences.js';

/** In a longer passage a row takes several sentences. */
const maxRowSentences = 200;
/** Blanks of a sentence that has neither a name nor a number. */
const plainBlanks = 2;
/** Passages with blanks; in each, every word that means something is blank once. */
const maskings = 4;
const blank = '____';

/**
 * Training rows that no model writes: the passage; each sentence under the title; each of its names and numbers as a blank
 * to fill, asked as questions are asked; the passage from a copy with a quarter of its words blank. An honest rival of
 * self-edits (cloze and masked reconstruction, arXiv 2510.09885; several formats of one fact, arXiv 2503.03705).
 */
export function ruleExamples(passage: Passage): Example[] {
  const sentences = sentencesOf(passage.text, maxRowSentences);
  return [
    passageExample(passage),
    ...(sentences.length > 1 ? sentences.map((sentence) => passageExample({ ...passage, text: sentence })) : []),
    ...sentences.flatMap((sentence) => blanksOf(passage, sentence)),
    ...maskedPassages(passage),
  ];
}

interface Span {
  start: number;
  text: string;
}

function blanksOf(passage: Passage, sentence: string): Example[] {
  const known = new Set(tokensOf(passage.title));
  const isNews = ({ text }: Span): boolean => tokensOf(text).some((word) => !known.has(word) && !isFiller(word));
  const named = [...namesIn(sentence), ...numbersIn(sentence)].filter(isNews);
  const spans = named.length > 0 ? named : longestWordsIn(sentence).filter(isNews);
  return spans.map(({ start, text }) => {
    const question = `${sentence.slice(0, start)}${blank}${sentence.slice(start + text.length)}`;
    return { prompt: itemPrompt(passage, { question }, 'closedBook').text, completion: ` ${text}` };
  });
}

const capitalised = String.raw`\p{Lu}[\p{L}\p{M}\p{N}'’-]*`;
const nameRun = new RegExp(`${capitalised}(?: (?:(?:of|the|de|la|van|von) )*${capitalised})*`, 'gu');

/** Runs of capitalised words. The first word of a sentence is capitalised whatever it is. */
function namesIn(sentence: string): Span[] {
  return spansOf(sentence, nameRun).flatMap((span) => {
    const first = span.text.split(' ', 1)[0] ?? '';
    if (span.start > 0 || !isFiller(first.toLowerCase())) return [span];
    const text = span.text.slice(first.length).trimStart();
    return text === '' ? [] : [{ start: span.text.length - text.length, text }];
  });
}

const numbersIn = (sentence: string): Span[] =>
  spansOf(sentence, /(?<![\p{L}\p{N}])\p{Nd}+(?:[.,:/-]\p{Nd}+)*(?![\p{L}\p{N}])/gu);

/** For scripts without capital letters, and sentences without names. */
function longestWordsIn(sentence: string): Span[] {
  return wordsIn(sentence)
    .sort((a, b) => b.text.length - a.text.length || a.start - b.start)
    .slice(0, plainBlanks);
}

function maskedPassages(passage: Passage): Example[] {
  const words = wordsIn(passage.text);
  if (words.length < maskings) return [];
  return Array.from({ length: maskings }, (_, phase) => {
    const masked = words
      .filter((_, at) => at % maskings === phase)
      .reduceRight(
        (text, { start, text: word }) => text.slice(0, start) + blank + text.slice(start + word.length),
        passage.text,
      );
    return { prompt: `${passage.title}\n${masked}\n\n`, completion: passage.text };
  });
}

const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/** Words that mean something, in scripts without spaces too. */
const wordsIn = (text: string): Span[] =>
  [...segmenter.segment(text)].flatMap(({ segment, index, isWordLike }) =>
    isWordLike === true && !isFiller(segment.toLowerCase()) ? [{ start: index, text: segment }] : [],
  );

const spansOf = (text: string, pattern: RegExp): Span[] =>
  [...text.matchAll(pattern)].map(({ index, 0: match }) => ({ start: index, text: match }));

import { cleanLine } from './text.js';

const mostWords = 6;
const leastCharacters = 4;

/**
 * A title as people write it. Files made from Wikipedia carry titles of addresses, `Beyonc%C3%A9_Knowles`; a name that the
 * text itself writes with underscores keeps them.
 */
export function readableTitle(title: string, text: string): string {
  const line = cleanLine(title);
  if (/\s/u.test(line) || (line.includes('_') && text.includes(line))) return line;
  return cleanLine(decoded(line).replaceAll('_', ' '));
}

function decoded(title: string): string {
  if (!/%[0-9a-f]{2}/iu.test(title)) return title;
  try {
    return decodeURIComponent(title);
  } catch {
    return title;
  }
}

/**
 * A title for a text that has none: its heading, its first words, or else the file's name. It never holds an answer, since
 * questions are put with the title.
 */
export function titleOf(text: string, answers: string[], fallback: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [first = ''] = lines;
  const heading = /^#{1,6}\s+(.+?)\s*#*$/u.exec(first)?.[1] ?? (isHeading(first, lines.length) ? first : '');
  if (heading !== '' && beforeAnswer(heading, answers) === heading) return cleanLine(heading);
  const words = firstWords(beforeAnswer(first, answers));
  return isTitle(words) ? words : readableTitle(fallback, '');
}

/** A short first line that is no sentence, with more below it. */
const isHeading = (line: string, lines: number): boolean =>
  lines > 1 && line.trim().length <= 80 && !/[.!?:;,。！？؟।]\s*$/u.test(line);

/** The line up to the first answer in it. */
function beforeAnswer(line: string, answers: string[]): string {
  const lower = line.toLowerCase();
  const starts = answers.map((answer) => lower.indexOf(answer.toLowerCase())).filter((at) => at >= 0);
  return line.slice(0, Math.min(line.length, ...starts));
}

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** The first words of a line, up to a mark. */
function firstWords(line: string): string {
  let title = '';
  let count = 0;
  for (const { segment, isWordLike } of segmenter.segment(line.replace(/^[\s#*_>-]+/u, ''))) {
    if (count === mostWords || /[.!?,;:，。！？؟।、]/u.test(segment)) break;
    title += segment;
    if (isWordLike === true) count += 1;
  }
  return cleanLine(title).replace(/[\s\p{Ps}\p{Pd}]+$/u, '');
}

/** Two characters say something in scripts that write words or syllables in one. */
const isTitle = (words: string): boolean => words.length >= leastCharacters || /[^\p{ASCII}]{2}/u.test(words);

import { readWords } from '../../seal/grading/words.js';
import { plainLines, type Layout } from './edit-text.js';

/** What could be read of an edit; `lost` is why the rest could not be used. */
export interface Read<T> {
  found: T[];
  lost: string;
}

const minWords = 3;
/** In many languages of other alphabets a word carries what English says in two. */
const minOtherWords = 2;

const bullet =
  /^(?:(?:[-–—*•‣▪●○◆■□▶►→✓✔・·>#]|[\p{Nd}]{1,3}(?:[.)．）](?!\p{Nd})|、)|[(（][\p{Nd}]{1,3}[)）]|[①-⑳]|[一二三四五六七八九十]{1,3}、|[a-hA-H]\))\s*)+/u;
const label = /^(?:implications?|rewrit(?:e|ten passage)|version|passage|fact|statement|paraphrase)s?\s*\d*\s*:\s*/iu;

/**
 * The statements of an edit, one a line, without numbers, bullets, labels, headings and markdown. A last line that stops in
 * mid-sentence where the others do not was cut off, and goes.
 */
export function readStatements(text: string): Read<string> {
  const lines = linesOf(text, 'statements');
  const statements = lines
    .map((line) => unquoted(line.replace(label, '')))
    .filter((line) => isLongEnough(line) && !isHeading(line));
  const whole = withoutCutEnd(statements, (line) => line);
  return { found: whole, lost: lostOf(lines.length, 'a heading or shorter than three words') };
}

/** Lines with their decoration taken off; empty ones and rules go. */
export function linesOf(text: string, layout: Layout): string[] {
  return plainLines(text, layout)
    .map((line) =>
      unquoted(
        line
          .replace(/\*\*|__|`/gu, '')
          .trim()
          .replace(bullet, '')
          .replace(/\s+/gu, ' ')
          .trim(),
      ),
    )
    .filter((line) => /[\p{L}\p{N}]/u.test(line));
}

/** A line without the quotes, commas and brackets that it has as an entry of a list. */
function unquoted(line: string): string {
  const [, open = '', entry, close = ''] =
    /^[[{]?\s*(["“„«「『'])(.*?)(["”“»」』'])\s*[,，]?\s*[\]}]?,?$/u.exec(line) ?? [];
  const bare = entry?.replaceAll('\\"', '');
  // "Old" and "new" are two quotes, and no entry
  if (entry === undefined || bare?.includes(open) === true || bare?.includes(close) === true) return line;
  return entry.replaceAll('\\"', '"').trim();
}

export const isLongEnough = (text: string): boolean =>
  readWords(text).length >= (/\p{Script=Latin}/u.test(text) ? minWords : minOtherWords);

/** "Here are some facts:", "Sure, I can do that!" */
const isHeading = (line: string): boolean =>
  /[:：]$/u.test(line) || /^(?:sure|certainly|of course|okay)\b[^.]*[!.]$/iu.test(line);

const sentenceEnd = /[.!?…。．！？؟۔।॥։።⸮"'”’»」』)）]$/u;

/** Entries once each, without a last one that stops in mid-sentence where the others do not. */
export function withoutCutEnd<T>(entries: T[], textOf: (entry: T) => string): T[] {
  const unique = [...new Map(entries.map((entry) => [JSON.stringify(entry).toLowerCase(), entry])).values()];
  const isWhole = (entry: T): boolean => sentenceEnd.test(textOf(entry));
  const last = unique.at(-1);
  const cut = unique.length > 1 && last !== undefined && !isWhole(last) && unique.slice(0, -1).every(isWhole);
  return cut ? unique.slice(0, -1) : unique;
}

export const lostOf = (lines: number, why: string): string =>
  lines === 0 ? 'the completion is empty' : `no line of ${lines} could be used: each is ${why}`;

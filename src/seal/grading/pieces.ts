import { foldText } from './fold.js';
import { hanNumber, hanValue } from './numerals.js';

/** A word, number or sign as it stands in a text. */
export interface Piece {
  kind: 'number' | 'word' | 'symbol';
  raw: string;
  /** the text between it and the piece before */
  gap: string;
}

/** Thousands by comma (three digits, in India two), point, apostrophe or space; decimals by point or comma. */
const number = [
  String.raw`[1-9]\d{0,2}(?:(?:,\d{2,3})*,\d{3}|(?:\.\d{3})+|(?:['’]\d{3})+|(?: \d{3})+)(?!\d)(?:[.,]\d{1,2}(?!\d))?`,
  String.raw`\d+\.\d+|\d+,\d{1,2}(?!\d)|\d+`,
].join('|');
const letters = String.raw`\p{L}[\p{L}\p{M}]*`;
const word = String.raw`(?:\p{L}\.){2,}(?:\p{L}(?![\p{L}\p{M}]))?|${letters}(?:['’ʼ]${letters})*(?:\+{1,2}(?![\d\p{L}])|#)?`;
const minus = String.raw`(?<![\p{L}\p{N}.,)]|\d\s)[-−–](?=\p{Sc}?\d)`;
const pieces = new RegExp(
  `(?<minus>${minus})|(?<number>${number})|(?<word>${word})|(?<symbol>${String.raw`\p{Sc}|[%°]|[<>≤≥](?=\s?\d)`})`,
  'gu',
);

const isoDate = /(?<!\d)(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?!\d)/gu;
const months = 'January February March April May June July August September October November December'.split(' ');
const temperature = /\s?(?:°|\bdegrees?)\s?(c|f|celsius|fahrenheit)\b/giu;
const area = /\b([kcm]?m|mi|ft)([23])\b|\bsq\b\.?/giu;
const fullHour = /(?<=\b\d{1,2}):00\b/gu;
/** "2013–14" */
const shortYear = /(?<!\d)(\d\d)(\d\d)([-–/])(\d\d)(?![\d-])/gu;

/** One spelling for what is written in several: dates, temperatures, areas, hours and spans of years. */
function spelledAlike(text: string): string {
  return text
    .replace(isoDate, (_, year: string, month: string, day: string) => {
      return `${Number(day)} ${months[Number(month) - 1] ?? month} ${year}`;
    })
    .replace(temperature, (_, scale: string) => (/^c/iu.test(scale) ? ' celsius' : ' fahrenheit'))
    .replace(area, (_, unit = '', power = '2') => `${power === '2' ? 'square' : 'cubic'} ${unit}`)
    .replace(fullHour, '')
    .replace(shortYear, (span, century: string, from: string, joint: string, to: string) =>
      Number(to) > Number(from) ? `${century}${from}${joint}${century}${to}` : span,
    );
}

const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/** Whether the text is, in part, of a script without spaces between words. */
export const isUnspaced = (text: string): boolean => unspaced.test(text);

/** Cuts a text, folded, into words, numbers and signs. */
export function piecesOf(text: string): Piece[] {
  const folded = spelledAlike(foldText(text));
  const found: Piece[] = [];
  let [last, sign] = [0, ''];
  for (const { index, groups = {}, 0: raw } of folded.matchAll(pieces)) {
    const gap = folded.slice(last, index);
    last = index + raw.length;
    if (groups['minus'] !== undefined) sign = '-';
    else if (groups['symbol'] !== undefined) found.push({ kind: 'symbol', raw, gap });
    else if (groups['number'] !== undefined) {
      found.push({ kind: 'number', raw: `${sign}${raw}`, gap });
      sign = '';
    } else if (isUnspaced(raw)) found.push(...segmentsOf(raw, gap));
    else found.push({ kind: 'word', raw, gap });
  }
  return found;
}

/** The words of a run without spaces. Its numerals are taken out first: dictionaries cut through them. */
function segmentsOf(run: string, gap: string): Piece[] {
  const found: Omit<Piece, 'gap'>[] = [];
  const cut = (text: string): void => {
    for (const { segment: raw } of segmenter.segment(text)) found.push({ kind: 'word', raw });
  };
  let last = 0;
  for (const { 0: raw, index } of run.matchAll(hanNumber)) {
    const value = hanValue(raw);
    if (value === null) continue;
    cut(run.slice(last, index));
    found.push({ kind: 'number', raw: String(value) });
    last = index + raw.length;
  }
  cut(run.slice(last));
  return found.map((piece, i) => ({ ...piece, gap: i === 0 ? gap : '' }));
}

import { getDocumentProxy } from 'unpdf';
import { cleanLine } from '../../domains/reading/text.js';
import { Omissions, problem, wholeFile, type Block, type FileReading } from '../document.js';

/** A line of a page: its text, the size of its letters, and how far below the top of the page it is, in points. */
export interface PdfLine {
  text: string;
  size: number;
  top: number;
}

/** Reads the text of a PDF. Larger letters make a heading, a wider gap makes a paragraph. */
export async function readPdf(bytes: Uint8Array): Promise<FileReading> {
  try {
    // a copy: the reader takes its bytes away from their owner, and refuses a Buffer
    const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    const { info } = await pdf.getMetadata();
    const pages: PdfLine[][] = [];
    for (let number = 1; number <= pdf.numPages; number += 1) {
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      const top = page.getViewport({ scale: 1 }).height;
      pages.push(
        linesOf(
          items.filter((item) => 'str' in item),
          top,
        ),
      );
    }
    await pdf.cleanup();
    if (pages.every((lines) => lines.length === 0)) {
      return problem('noText', 'is a PDF without text, such as a scan', 'run text recognition on it: ocrmypdf IN OUT');
    }
    const omitted = new Omissions();
    const blocks = pdfBlocks(pages, omitted);
    const stated = 'Title' in info && typeof info.Title === 'string' ? cleanLine(info.Title) : '';
    const hasTitle = blocks.some((block) => block.kind === 'heading' && block.depth === 1);
    const title = hasTitle || stated === '' ? null : stated;
    return { ok: true, documents: [wholeFile(title, blocks)], omitted: omitted.list(), warnings: [] };
  } catch (error) {
    return error instanceof Error && error.name === 'PasswordException'
      ? problem('encrypted', 'is a PDF with a password', 'save it without the password')
      : problem('damaged', 'is a damaged PDF', 'print it to a PDF again, or export it as text');
  }
}

interface TextItem {
  str: string;
  /** horizontal scaling, skew, skew, vertical scaling, x, y */
  transform: number[];
  height: number;
  hasEOL: boolean;
}

function linesOf(items: TextItem[], pageHeight: number): PdfLine[] {
  const lines: PdfLine[] = [];
  let line: PdfLine | null = null;
  for (const { str, transform, height, hasEOL } of items) {
    if (str !== '') {
      line ??= { text: '', size: 0, top: pageHeight - (transform[5] ?? 0) };
      line.text += str;
      if (str.trim() !== '') line.size = Math.max(line.size, height);
    }
    if (hasEOL && line !== null) {
      lines.push(line);
      line = null;
    }
  }
  if (line !== null) lines.push(line);
  return lines.map((one) => ({ ...one, text: cleanLine(one.text) })).filter(({ text }) => text !== '');
}

/** Letters of a heading are at least this much larger than those of most of the text. */
const headingScale = 1.15;
const headingCharacters = 120;
/** A gap between paragraphs, as a multiple of the usual distance of two lines. */
const paragraphGap = 1.3;
/** Pages of a document whose first and last lines are compared. */
const leastPages = 3;

/** The blocks of pages of lines. Lines that most pages begin or end with are omitted, and so are page numbers. */
export function pdfBlocks(pages: PdfLine[][], omitted: Omissions): Block[] {
  const repeated = repeatedLines(pages);
  const body = pages.map((lines) =>
    lines.filter(({ text }, i) => {
      const isMargin = (i === 0 || i === lines.length - 1) && repeated.has(patternOf(text));
      if (isMargin) omitted.add('header or footer of a page');
      return !isMargin;
    }),
  );
  const all = body.flat();
  const bodySize = mostCommon(all.flatMap(({ text, size }) => Array.from(text, () => Math.round(size * 2) / 2)));
  const isHeading = ({ text, size }: PdfLine): boolean =>
    size >= bodySize * headingScale && text.length <= headingCharacters && /\p{L}/u.test(text);
  const sizes = [...new Set(all.filter(isHeading).map(({ size }) => Math.round(size)))].sort((a, b) => b - a);
  const distance = lineDistance(body);
  const blocks: Block[] = [];
  for (const lines of body) {
    let before: PdfLine | null = null;
    for (const line of lines) {
      const last = blocks.at(-1);
      const heading = isHeading(line);
      const sameKind = before !== null && last !== undefined && heading === (last.kind === 'heading');
      const sameSize = !heading || Math.round(before?.size ?? 0) === Math.round(line.size);
      const isNear = before === null || line.top - before.top <= Math.max(distance, line.size) * paragraphGap;
      // a paragraph that the end of a page interrupts
      const isInterrupted =
        before === null && last?.kind === 'paragraph' && !heading && !/[.!?:。]\W*$/u.test(last.text);
      if (last !== undefined && ((sameKind && sameSize && isNear) || isInterrupted))
        last.text = joined(last.text, line.text);
      else if (heading) {
        const depth = Math.min(6, sizes.indexOf(Math.round(line.size)) + 1);
        blocks.push({ kind: 'heading', depth, text: line.text });
      } else blocks.push({ kind: 'paragraph', text: line.text });
      before = line;
    }
  }
  return blocks;
}

/** Two lines of a paragraph; a word that a line end divides is put together. */
const joined = (text: string, line: string): string =>
  /\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(line) ? text.slice(0, -1) + line : `${text} ${line}`;

/** Digits differ from page to page. */
const patternOf = (text: string): string => text.replace(/\d+/gu, '#');

function repeatedLines(pages: PdfLine[][]): Set<string> {
  if (pages.length < leastPages) return new Set();
  const counts = new Map<string, number>();
  for (const lines of pages) {
    const margins = new Set([lines.at(0), lines.at(-1)].flatMap((line) => (line ? [patternOf(line.text)] : [])));
    for (const pattern of margins) counts.set(pattern, (counts.get(pattern) ?? 0) + 1);
  }
  return new Set([...counts].filter(([, count]) => count > pages.length / 2).map(([pattern]) => pattern));
}

/** Distance of two lines of a paragraph: a document has fewer distances below it than above. */
function lineDistance(pages: PdfLine[][]): number {
  const distances = pages
    .flatMap((lines) => lines.slice(1).map(({ top }, i) => top - (lines[i]?.top ?? top)))
    .filter((distance) => distance > 0)
    .sort((one, other) => one - other);
  return distances[Math.floor(distances.length / 4)] ?? 0;
}

function mostCommon(values: number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0])[0];
}

import { cleanText } from '../../domains/reading/text.js';
import { wholeFile, type Block, type FileReading } from '../document.js';

/** A shorter line ends where its writer wanted it to. */
const wrappedCharacters = 50;
const listMark = /^\s*(?:[-*•–]|\d+[.)])\s/u;

/** Reads plain text: paragraphs are separated by empty lines, and lines that an editor wrapped are joined. */
export const readPlain = (text: string): FileReading => ({
  ok: true,
  documents: [wholeFile(null, plainBlocks(text))],
  omitted: [],
  warnings: [],
});

export const plainBlocks = (text: string): Block[] =>
  cleanText(text)
    .split(/\n[^\S\n]*\n\s*/u)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => ({ kind: 'paragraph', text: unwrapped(paragraph) }));

const unwrapped = (paragraph: string): string =>
  paragraph.split('\n').reduce((text, line, i, lines) => {
    const before = lines[i - 1];
    const joins = before !== undefined && before.trimEnd().length >= wrappedCharacters && !/^\s|^$/u.test(line);
    return before === undefined ? line : `${text}${joins && !listMark.test(line) ? ' ' : '\n'}${line}`;
  }, '');

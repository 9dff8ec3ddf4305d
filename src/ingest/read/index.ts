import { problem, type FileReading } from '../document.js';
import type { FileKind } from '../kinds.js';
import { readDocx } from './docx.js';
import { readHtml } from './html.js';
import { readMarkdown } from './markdown.js';
import { readPdf } from './pdf.js';
import { readPlain } from './plain.js';
import { readJson, readTable } from './records.js';

/** A file or a page to read. Binary kinds are bytes, all others decoded text. */
export type FileContent =
  | { kind: Extract<FileKind, 'pdf' | 'docx'>; bytes: Uint8Array }
  | { kind: Exclude<FileKind, 'pdf' | 'docx'>; text: string };

/** The documents of a file, or why it has none. */
export async function readContent(content: FileContent, file: string): Promise<FileReading> {
  if ('text' in content ? content.text.trim() === '' : content.bytes.length === 0) {
    return problem('empty', 'is empty', 'write something in it, or exclude it');
  }
  const reading = await read(content, file);
  if (!reading.ok || reading.documents.some(({ blocks }) => blocks.length > 0)) return reading;
  return problem('noText', 'holds no text', 'write something in it, or exclude it');
}

function read(content: FileContent, file: string): FileReading | Promise<FileReading> {
  switch (content.kind) {
    case 'markdown':
      return readMarkdown(content.text);
    case 'text':
      return readPlain(content.text);
    case 'html':
      return readHtml(content.text);
    case 'table':
      return readTable(content.text, file);
    case 'json':
      return readJson(content.text, file);
    case 'pdf':
      return readPdf(content.bytes);
    case 'docx':
      return readDocx(content.bytes);
  }
}

import { readFileSync } from 'node:fs';

/** The text of a file as editors of every system write it: UTF-8 or UTF-16, with or without a byte order mark. */
export function readTextFile(file: string): string {
  const bytes = readFileSync(file);
  return new TextDecoder(encodingOf(bytes)).decode(bytes);
}

/** Of a text that begins with ASCII, as JSON does, one of the first two bytes is 0 in UTF-16. */
function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if ((first === 0xff && second === 0xfe) || second === 0) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || first === 0) return 'utf-16be';
  return 'utf-8';
}

import { utf8ToBytes } from '@noble/hashes/utils.js';

const longestSummaryBytes = 200;

/** Text as Temporal takes it for a summary: one line, at most 200 bytes of UTF-8. */
export function summaryOf(text: string): string {
  let characters = Array.from(text.replace(/\s+/g, ' ')).slice(0, longestSummaryBytes);
  while (utf8ToBytes(characters.join('')).length > longestSummaryBytes) characters = characters.slice(0, -1);
  return characters.join('');
}

/** Lines to copy from, whatever they contain. */
export function codeBlock(text: string): string {
  const longestRun = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = '`'.repeat(longestRun + 1);
  return `${fence}\n${text}\n${fence}`;
}

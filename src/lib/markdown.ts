import { visible } from './visible.js';

/** Text of others inside markdown, where nothing of it is rendered: a code span in one line, at most `length` characters. */
export function code(text: string, length = 200): string {
  const line = visible(text.replace(/[`\s|]+/g, ' ').trim());
  return line === '' ? '` `' : `\`${Array.from(line).slice(0, length).join('')}\``;
}

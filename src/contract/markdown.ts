/** Text of others inside markdown, where nothing of it is rendered: a code span in one line, at most `length` characters. */
export function code(text: string, length = 200): string {
  const line = text.replace(/[`\s|\p{Cc}]+/gu, ' ').trim();
  return line === '' ? '` `' : `\`${line.slice(0, length)}\``;
}

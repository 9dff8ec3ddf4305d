import { safeJson, safeLines } from './text/safe-text.js';

/** Results go to standard output, as text or with `--json` as one JSON document; progress goes to standard error. */
export function print(value: unknown, text: string, json: boolean | undefined): void {
  process.stdout.write(json === true ? `${safeJson(value)}\n` : `${safeLines(text)}\n`);
}

/** JSON in one line: JSON strings hold no raw line break, so each one is between two tokens. */
export const jsonLine = (value: unknown): string => `${safeJson(value).replaceAll(/\n */g, '')}\n`;

/** One line of progress. */
export const say = (line: string): void => void process.stderr.write(`${safeLines(line)}\n`);

/** "12 scored, 2 invalid_edit" */
export const countsText = (counts: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count !== undefined && count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none ended';

import { safeJson, safeLines } from './text/safe-text.js';

/** Results go to standard output, as text or with `--json` as one JSON document; progress goes to standard error. */
export function print(value: unknown, text: string, json: boolean | undefined): void {
  process.stdout.write(json === true ? `${safeJson(value)}\n` : `${safeLines(text)}\n`);
}

/** JSON in one line: strings hold no line break as such, so each one stands between two tokens. */
export const jsonLine = (value: unknown): string => `${safeJson(value).replaceAll(/\n */g, '')}\n`;

/** One line of progress. */
export const say = (line: string): void => void process.stderr.write(`${safeLines(line)}\n`);

/** `90061` seconds as `25:01:01`, below an hour as `m:ss`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

export const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`);

/** "12 scored, 2 invalid_edit" */
export const countsText = (counts: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count !== undefined && count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none ended';

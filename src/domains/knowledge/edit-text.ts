import { jsonrepair } from 'jsonrepair';
import { readWords } from '../../seal/grading/words.js';

/** How parts of one entry are put: a row of a table, a key and its text. */
export type Layout = 'statements' | 'pairs';

/** What a model wrote as plain lines: JSON and tables by their texts, without fences and tags. */
export function plainLines(completion: string, layout: Layout): string[] {
  const text = completion.replace(/<\/?(?:li|[uo]l|p|br|b|i|em|strong|t[dhr]|table|tbody|thead)\b[^>\n]*>/giu, ' ');
  const json = jsonLines(text, layout);
  return (json ?? withoutTables(text.split(/\r\n?|[\n\u2028\u2029]/u), layout)).filter(
    (line) => !/^\s*(?:```|~~~)/u.test(line),
  );
}

/** The lines of the JSON that a text is or holds in a fence; null where there is none. */
function jsonLines(text: string, layout: Layout): string[] | null {
  const fenced = /```\w*\s*([[{][\s\S]*?)(?:```|$)/u.exec(text)?.[1];
  const body = (fenced ?? text).trim();
  const list =
    fenced === undefined && !/^[[{]/u.test(body) ? (/(?:^|\n)\s*(\[\s*["{][\s\S]*)$/u.exec(body)?.[1] ?? '') : body;
  if (!/^[[{]\s*["'{[“\n]/u.test(list)) return null;
  const whole = parse(list);
  if (whole !== undefined) return linesOf(whole, layout);
  const repaired = parse(repair(list));
  // what was cut off is closed by the repair, so the last text is none of the model's
  return repaired === undefined ? null : linesOf(repaired, layout).slice(0, isCut(list) ? -1 : undefined);
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function repair(text: string): string {
  try {
    return jsonrepair(text);
  } catch {
    return '';
  }
}

const isCut = (text: string): boolean => !/[\]}]\W*$/u.test(text);

/** Every text of a JSON value; a key precedes it as a label does, but does not precede a whole statement. */
function linesOf(value: unknown, layout: Layout, key = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => linesOf(entry, layout));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, entry]: [string, unknown]) => linesOf(entry, layout, name.trim()));
  }
  if (typeof value !== 'string' && typeof value !== 'number') return [];
  const text = String(value).trim();
  // a map from questions to answers
  if (/[?？؟]$/u.test(key)) return [key, text];
  const isLabel = /\p{L}/u.test(key) && (layout === 'pairs' || readWords(text).length <= shortText);
  return (isLabel ? `${key}: ${text}` : text).split('\n');
}

const shortText = 3;

const rule = /^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$/u;

/** Rows of tables as lines, without heads, rules and numbers of rows. */
function withoutTables(lines: string[], layout: Layout): string[] {
  const isRule = (line: string | undefined): boolean => line?.includes('|') === true && rule.test(line);
  return lines.flatMap((line, i) => {
    if (!line.includes('|')) return [line];
    if (isRule(line) || isRule(lines[i + 1])) return [];
    const cells = line.split('|').map((cell) => cell.trim());
    const texts = cells.filter((cell) => cell !== '' && !/^\p{N}{1,3}[.)]?$/u.test(cell));
    return layout === 'pairs' ? texts : [texts.join(': ')];
  });
}

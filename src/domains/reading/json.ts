import JSON5 from 'json5';
import type { Findings } from './findings.js';

/** A value and the place that it comes from. */
export interface Placed {
  where: string;
  value: unknown;
}

/** Problems that are listed for one file. */
const listed = 20;
/** Above this only strict JSON is read: the tolerant parser takes a second for some megabytes. */
const tolerantCharacters = 16 * 1024 ** 2;

type Parsed = { ok: true; value: unknown } | { ok: false; line: number };

/**
 * JSON, or what people take for it: with comments, extra commas, single quotes, NaN. For other text only the line is
 * reported: parsers quote the text in their messages, and the file may be no corpus at all.
 */
export function parseJson(text: string): Parsed {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return parseTolerantly(text);
  }
}

function parseTolerantly(text: string): Parsed {
  if (text.length > tolerantCharacters) return { ok: false, line: 1 };
  try {
    return { ok: true, value: JSON5.parse(text) };
  } catch (error) {
    const { lineNumber } = error as { lineNumber?: unknown };
    return { ok: false, line: typeof lineNumber === 'number' ? lineNumber : 1 };
  }
}

/** The value of a JSON file, or one for each line. */
export function jsonValues(text: string, file: string, findings: Findings): Placed[] {
  const halves = linesWithHalfCharacters(text);
  for (const line of halves.slice(0, listed)) {
    findings.problem(
      `${file}, line ${line}`,
      'has half a character (an unpaired \\ud800 to \\udfff)',
      'write the character out, or take it away',
    );
  }
  if (halves.length > 0) return [];
  const whole = parseJson(text);
  if (whole.ok) return [{ where: file, value: whole.value }];
  return lineValues(text, file, findings) ?? valuesInRow(text, file) ?? notJson(file, whole.line, findings);
}

/** Values over several lines, one after another, as `jq` prints them. Null where it is something else. */
function valuesInRow(text: string, file: string): Placed[] | null {
  const parsed = text
    .replace(/\r\n?/gu, '\n')
    .split(/(?<=^[}\]])\s*\n(?=[{[])/mu)
    .map((value, i) => ({ where: `${file}, value ${i + 1}`, parsed: parseJson(value) }));
  const values = parsed.flatMap(({ where, parsed: one }) => (one.ok ? [{ where, value: one.value }] : []));
  return values.length > 1 && values.length === parsed.length ? values : null;
}

/** Null where it is not one value a line. */
function lineValues(text: string, file: string, findings: Findings): Placed[] | null {
  const lines = text
    .split(/\r\n|\n|\r/u)
    .map((line, i) => ({ where: `${file}, line ${i + 1}`, line }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ where, line }) => ({ where, parsed: parseJson(line) }));
  const good = lines.flatMap(({ where, parsed }) => (parsed.ok ? [{ where, value: parsed.value }] : []));
  const bad = lines.filter(({ parsed }) => !parsed.ok);
  // of JSON over several lines some lines may be JSON by themselves, the first and most are not
  if (lines.length < 2 || lines[0]?.parsed.ok !== true || bad.length > good.length) return null;
  for (const { where } of bad.slice(0, listed)) findings.problem(where, 'is not JSON', 'mend the line or take it away');
  if (bad.length > listed) {
    findings.problem(file, `has ${bad.length - listed} more lines that are not JSON`, 'mend them or take them away');
  }
  return good;
}

function notJson(file: string, line: number, findings: Findings): [] {
  const fix = 'give JSON, or JSONL with one document a line; CSV and TSV are read from files that end so';
  findings.problem(`${file}, line ${line}`, 'is not JSON from here on', fix);
  return [];
}

/** JSON can name half of a pair of code units, which is no text; nothing that stores or sends text takes it. */
function linesWithHalfCharacters(text: string): number[] {
  if (!/\\u[dD][89a-fA-F]/u.test(text)) return [];
  const lines = new Set<number>();
  let line = 1;
  let at = 0;
  // an escaped pair is passed over, as is an escaped backslash before a "u"
  const escapes = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\./gu;
  for (const { index, 1: half } of text.matchAll(escapes)) {
    if (half === undefined) continue;
    line += text.slice(at, index).match(/\r\n|\n|\r/gu)?.length ?? 0;
    at = index;
    lines.add(line);
  }
  return [...lines];
}

/** A question that an edit asks, with its answer. */
export interface QuestionPair {
  question: string;
  answer: string;
}

/** What could be read of an edit; `lost` says what was there and could not be used. */
export interface Read<T> {
  found: T[];
  lost: string;
}

const minWords = 3;

const bullet = /^(?:(?:[-–—*•▪>#]|\d{1,3}[.)](?!\d)|\(\d{1,3}\)|[a-hA-H]\))\s*)+/u;
const label = /^(?:implications?|rewrit(?:e|ten passage)|version|passage|fact|statement|paraphrase)s?\s*\d*\s*:\s*/iu;
const questionLabel = /^(?:q|question)\s*\d*\s*[:.)-]\s*/iu;
const answerLabel = /^(?:a|ans|answer)\s*\d*\s*[:.)-]\s*/iu;
const pairOnOneLine = /^(.+?\?)\s*(?:[-–—(\s]*(?:a|ans|answer)\s*\d*\s*[:.)]\s*|[-–—:]+\s*|\s+)(.+)$/iu;

/**
 * The statements of an edit, one a line, without numbers, bullets, labels, headings and markdown. A last line that stops in
 * mid-sentence where the others do not was cut off, and goes.
 */
export function readStatements(text: string): Read<string> {
  const lines = linesOf(text);
  const statements = lines
    .map((line) => line.replace(label, ''))
    .filter((line) => wordsOf(line) >= minWords && !isHeading(line));
  const whole = withoutCutEnd(statements, (line) => line);
  return { found: whole, lost: lostOf(lines.length, 'a heading or shorter than three words') };
}

/**
 * The questions of an edit with their answers: labelled ("Q1: … A: …"), numbered, bold, on one line or on two. A question
 * without an answer goes, and so does a last pair that was cut off.
 */
export function readPairs(text: string): Read<QuestionPair> {
  const lines = linesOf(text);
  const pairs: QuestionPair[] = [];
  let question: string | null = null;
  const answered = (answer: string): void => {
    if (question !== null && answer !== '' && !answer.endsWith('?')) pairs.push({ question, answer });
    question = null;
  };
  for (const line of lines) {
    const rest = line.replace(questionLabel, '');
    const asks = rest !== line || rest.endsWith('?');
    const [, asked, answer] = pairOnOneLine.exec(rest) ?? [];
    if (answerLabel.test(line)) answered(line.replace(answerLabel, ''));
    else if (asked !== undefined && answer !== undefined) {
      question = asked;
      answered(answer.replace(answerLabel, ''));
    } else if (asks) question = wordsOf(rest) >= minWords ? rest : null;
    else answered(line);
  }
  const whole = withoutCutEnd(pairs, ({ answer }) => answer);
  return { found: whole, lost: lostOf(lines.length, 'a question without an answer or an answer without a question') };
}

/** Lines with their decoration taken off; empty ones and rules go. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/\*\*|__|`/gu, '')
        .trim()
        .replace(bullet, '')
        .replace(/\s+/gu, ' ')
        .trim(),
    )
    .filter((line) => /[\p{L}\p{N}]/u.test(line));
}

const wordsOf = (text: string): number => text.split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;

/** "Here are some facts:", "Sure, I can do that!" */
const isHeading = (line: string): boolean =>
  /:$/u.test(line) || /^(?:sure|certainly|of course|okay)\b[^.]*[!.]$/iu.test(line);

function withoutCutEnd<T>(entries: T[], textOf: (entry: T) => string): T[] {
  const unique = [...new Map(entries.map((entry) => [JSON.stringify(entry).toLowerCase(), entry])).values()];
  const isWhole = (entry: T): boolean => /[.!?…"'”’)]$/u.test(textOf(entry));
  const last = unique.at(-1);
  const cut = unique.length > 1 && last !== undefined && !isWhole(last) && unique.slice(0, -1).every(isWhole);
  return cut ? unique.slice(0, -1) : unique;
}

const lostOf = (lines: number, why: string): string =>
  lines === 0 ? 'the completion is empty' : `no line of ${lines} could be used: each is ${why}`;

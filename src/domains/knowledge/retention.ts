import type { Problem } from '../domain.js';
import { referencesOf } from '../reading/answers.js';
import { isObject, textOf, valuesOf } from '../reading/fields.js';
import { isTable, type CorpusFile } from '../reading/files.js';
import { Findings } from '../reading/findings.js';
import { jsonValues, type Placed } from '../reading/json.js';
import { tableRows } from '../reading/tables.js';
import { cleanLine, isVisible } from '../reading/text.js';
import type { Question } from './schema.js';

/** The questions with answers in files of canaries or of the frozen set, in the layouts that documents have them in. */
export function readRetention(files: CorpusFile[]): { items: Question[]; problems: Problem[] } {
  const findings = new Findings();
  const values = files.flatMap(({ file, text }) => {
    if (isTable(file)) return tableRows(text, file, findings, ['question', 'answers']);
    return jsonValues(text, file, findings).flatMap(entriesOf);
  });
  const items = values.flatMap(({ where, value }) => {
    const fields = isObject(value) ? value : {};
    const question = cleanLine(textOf(fields, 'question') ?? '');
    const [answer, ...otherAnswers] = referencesOf(valuesOf(fields, 'answers'));
    if (isVisible(question) && answer !== undefined) return [{ question, answer, otherAnswers }];
    findings.problem(where, 'is no question with an answer', 'write {"question": "…", "answer": "…"}');
    return [];
  });
  return { items, problems: findings.problems };
}

function entriesOf({ where, value }: Placed): Placed[] {
  const entries: unknown = isObject(value) ? valuesOf(value, 'questions')[0] : value;
  if (!Array.isArray(entries)) return [{ where, value }];
  return entries.map((entry: unknown, i) => ({ where: `${where}, question ${i + 1}`, value: entry }));
}

import { referencesOf } from '../../domains/reading/answers.js';
import { isTable, stemOf, type CorpusFile } from '../../domains/reading/files.js';
import { isObject, textOf, valuesOf } from '../../domains/reading/fields.js';
import type { Findings } from '../../domains/reading/findings.js';
import { jsonValues, type Placed } from '../../domains/reading/json.js';
import { tableRows } from '../../domains/reading/tables.js';
import { cleanLine, isVisible } from '../../domains/reading/text.js';
import type { RetentionItem, RetentionKind } from '../../ledger/index.js';

/** The files of a corpus folder that hold retention instead of documents, without their ending. */
const retentionFiles = { canary: 'canaries', frozen: 'frozen' } as const satisfies Record<RetentionKind, string>;

/** Null: it holds documents. Probes lie in the corpus's own folder, not in one below. */
export function retentionKindOf({ file }: CorpusFile): RetentionKind | null {
  if (file.includes('/')) return null;
  const stem = stemOf(file).toLowerCase();
  if (stem === retentionFiles.canary) return 'canary';
  return stem === retentionFiles.frozen ? 'frozen' : null;
}

/** The questions with answers in item files, in the layouts that documents have them in. */
export function readRetention(files: CorpusFile[], findings: Findings): RetentionItem[] {
  const values = files.flatMap(({ file, text }) => {
    if (isTable(file)) return tableRows(text, file, findings, ['question', 'answers']);
    return jsonValues(text, file, findings).flatMap(entriesOf);
  });
  const retention = values.flatMap(({ where, value }) => {
    const fields = isObject(value) ? value : {};
    const question = cleanLine(textOf(fields, 'question') ?? '');
    const [answer, ...otherAnswers] = referencesOf(valuesOf(fields, 'answers'));
    if (isVisible(question) && answer !== undefined) {
      return [{ question, answer, ...(otherAnswers.length > 0 && { otherAnswers }) }];
    }
    findings.problem(where, 'is no question with an answer', 'write {"question": "…", "answer": "…"}');
    return [];
  });
  return retention.map((item, i) => ({ itemId: `p${i + 1}`, ...item }));
}

function entriesOf({ where, value }: Placed): Placed[] {
  const entries: unknown = isObject(value) ? valuesOf(value, 'questions')[0] : value;
  if (!Array.isArray(entries)) return [{ where, value }];
  return entries.map((entry: unknown, i) => ({ where: `${where}, question ${i + 1}`, value: entry }));
}

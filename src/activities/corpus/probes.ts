import { referencesOf } from '../../domains/reading/answers.js';
import { isTable, stemOf, type CorpusFile } from '../../domains/reading/files.js';
import { isObject, textOf, valuesOf } from '../../domains/reading/fields.js';
import type { Findings } from '../../domains/reading/findings.js';
import { jsonValues, type Placed } from '../../domains/reading/json.js';
import { tableRows } from '../../domains/reading/tables.js';
import { cleanLine, isVisible } from '../../domains/reading/text.js';
import type { Probe, ProbeKind } from '../../ledger/index.js';

/** The files of a corpus folder that hold probes instead of documents, without their ending. */
const probeFiles = { canary: 'canaries', frozen: 'frozen' } as const satisfies Record<ProbeKind, string>;

/** Null: it holds documents. Probes lie in the corpus's own folder, not in one below. */
export function probeKindOf({ file }: CorpusFile): ProbeKind | null {
  if (file.includes('/')) return null;
  const stem = stemOf(file).toLowerCase();
  if (stem === probeFiles.canary) return 'canary';
  return stem === probeFiles.frozen ? 'frozen' : null;
}

/** The questions with answers in probe files, in the layouts that documents have them in. */
export function readProbes(files: CorpusFile[], findings: Findings): Probe[] {
  const values = files.flatMap(({ file, text }) => {
    if (isTable(file)) return tableRows(text, file, findings, ['question', 'answers']);
    return jsonValues(text, file, findings).flatMap(entriesOf);
  });
  const probes = values.flatMap(({ where, value }) => {
    const fields = isObject(value) ? value : {};
    const question = cleanLine(textOf(fields, 'question') ?? '');
    const [answer, ...otherAnswers] = referencesOf(valuesOf(fields, 'answers'));
    if (isVisible(question) && answer !== undefined) {
      return [{ question, answer, ...(otherAnswers.length > 0 && { otherAnswers }) }];
    }
    findings.problem(where, 'is no question with an answer', 'write {"question": "…", "answer": "…"}');
    return [];
  });
  return probes.map((probe, i) => ({ itemId: `p${i + 1}`, ...probe }));
}

function entriesOf({ where, value }: Placed): Placed[] {
  const entries: unknown = isObject(value) ? valuesOf(value, 'questions')[0] : value;
  if (!Array.isArray(entries)) return [{ where, value }];
  return entries.map((entry: unknown, i) => ({ where: `${where}, question ${i + 1}`, value: entry }));
}

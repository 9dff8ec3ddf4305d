/** The names under which files in the wild keep the same thing, in the order in which they are looked for. */
const names = {
  title: ['title', 'documenttitle', 'heading', 'name'],
  text: [
    'context',
    'contexttext',
    'passage',
    'passagetext',
    'text',
    'document',
    'paragraph',
    'content',
    'article',
    'body',
    'story',
  ],
  question: ['question', 'questiontext', 'query', 'querytext', 'inputtext'],
  questions: ['questions', 'qas', 'qapairs', 'qa'],
  answers: ['answer', 'answertext', 'answers', 'otheranswers', 'reference', 'references', 'detectedanswers'],
  part: ['part'],
  impossible: ['isimpossible', 'unanswerable'],
  choices: ['options', 'choices'],
  paragraphs: ['paragraphs'],
} as const;

export type Field = keyof typeof names;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `Answer Text`, `answer_text` and `answerText` are one name. */
const plain = (key: string): string => key.toLowerCase().replace(/[\s_-]/gu, '');

/** What an object has under the names of a field; nulls and empty texts count as absent. */
export function valuesOf(record: Record<string, unknown>, field: Field): unknown[] {
  const found = new Map(
    Object.entries(record)
      .filter(([, value]) => value !== null && value !== undefined && value !== '')
      .map(([key, value]) => [plain(key), value]),
  );
  return names[field].flatMap((name) => (found.has(name) ? [found.get(name)] : []));
}

export const hasField = (record: Record<string, unknown>, field: Field): boolean => valuesOf(record, field).length > 0;

/** Whether a column or key is one of a field's names. */
export const isNameOf = (key: string, field: Field): boolean =>
  (names[field] as readonly string[]).includes(plain(key));

/** The first text under a field's names: a text, a number, or texts that follow each other. */
export function textOf(record: Record<string, unknown>, field: Field): string | null {
  for (const value of valuesOf(record, field)) {
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')) {
      return value.join('\n');
    }
  }
  return null;
}

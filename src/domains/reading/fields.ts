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
    'paragraphs',
  ],
  question: ['question', 'questiontext', 'query', 'querytext', 'inputtext'],
  questions: ['questions', 'qas', 'qapairs', 'qa'],
  answers: ['answer', 'answertext', 'answers', 'otheranswers', 'reference', 'references', 'detectedanswers'],
  part: ['part'],
  impossible: ['isimpossible', 'unanswerable'],
  choices: ['options', 'choices'],
  paragraphs: ['paragraphs'],
} as const;

/** Of a text in pieces. */
const deepest = 4;

export type Field = keyof typeof names;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `Answer Text`, `answer_text` and `answerText` are one name; a table may number its columns of answers. */
const isNamed = (key: string, name: string): boolean => {
  const plain = key.toLowerCase().replace(/[\s_-]/gu, '');
  return plain === name || (name === 'answer' && /^answer\d+$/u.test(plain));
};

/** What an object has under the names of a field; nulls and empty texts count as absent. */
export function valuesOf(record: Record<string, unknown>, field: Field): unknown[] {
  const entries = Object.entries(record).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return names[field].flatMap((name) => entries.filter(([key]) => isNamed(key, name)).map(([, value]) => value));
}

export const hasField = (record: Record<string, unknown>, field: Field): boolean => valuesOf(record, field).length > 0;

/** Whether a column or key is one of a field's names. */
export const isNameOf = (key: string, field: Field): boolean => names[field].some((name) => isNamed(key, name));

/** The first text under a field's names: a text, a number, or texts that follow each other, in lists of lists too. */
export function textOf(record: Record<string, unknown>, field: Field): string | null {
  for (const value of valuesOf(record, field)) {
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    const pieces: unknown[] = Array.isArray(value) ? value.flat(deepest) : [];
    if (pieces.length > 0 && pieces.every((one) => typeof one === 'string')) return pieces.join('\n');
  }
  return null;
}

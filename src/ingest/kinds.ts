/** What is read, by the ending of a file's name and by the type that a web server states. */
export const fileKinds = {
  markdown: { endings: ['md', 'markdown'], types: ['text/markdown', 'text/x-markdown'], binary: false },
  text: { endings: ['txt', 'text'], types: ['text/plain'], binary: false },
  html: { endings: ['html', 'htm', 'xhtml'], types: ['text/html', 'application/xhtml+xml'], binary: false },
  pdf: { endings: ['pdf'], types: ['application/pdf'], binary: true },
  docx: {
    endings: ['docx'],
    types: ['application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
    binary: true,
  },
  table: { endings: ['csv', 'tsv', 'tab'], types: ['text/csv', 'text/tab-separated-values'], binary: false },
  json: {
    endings: ['json', 'jsonl', 'ndjson'],
    types: ['application/json', 'application/jsonl', 'application/x-ndjson'],
    binary: false,
  },
} as const;
export type FileKind = keyof typeof fileKinds;

const kinds = Object.entries(fileKinds) as [FileKind, { endings: readonly string[]; types: readonly string[] }][];

export const readEndings: readonly string[] = kinds.flatMap(([, { endings }]) => endings);

/** The kind of a file by its name; texts may be compressed (`.gz`). Null: it is not read. */
export function kindOfFile(file: string): FileKind | null {
  const [, ending = '', packed] = /\.([a-z0-9]+)(\.gz)?$/u.exec(file.toLowerCase()) ?? [];
  const kind = kinds.find(([, { endings }]) => endings.includes(ending))?.[0] ?? null;
  return kind !== null && packed !== undefined && fileKinds[kind].binary ? null : kind;
}

/** The kind of a `Content-Type`; null: it is not read. */
export function kindOfType(contentType: string): FileKind | null {
  const [type = ''] = contentType.toLowerCase().split(';');
  return kinds.find(([, { types }]) => types.includes(type.trim()))?.[0] ?? null;
}

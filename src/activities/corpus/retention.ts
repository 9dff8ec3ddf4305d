import { stemOf, type CorpusFile } from '../../domains/reading/files.js';
import type { RetentionKind } from '../../ledger/index.js';

/** The files of a corpus folder that hold retention items instead of documents, without their ending. */
const retentionFiles: ReadonlyMap<string, RetentionKind> = new Map([
  ['canaries', 'canary'],
  ['frozen', 'frozen'],
]);

/** Parts a corpus's files by what they hold. */
export function filesByUse(files: CorpusFile[]): Record<'documents' | RetentionKind, CorpusFile[]> {
  const parts: Record<'documents' | RetentionKind, CorpusFile[]> = { documents: [], canary: [], frozen: [] };
  for (const file of files) parts[retentionKindOf(file) ?? 'documents'].push(file);
  return parts;
}

/** Retention items lie in the corpus's own folder, not in one below. */
function retentionKindOf({ file }: CorpusFile): RetentionKind | undefined {
  return file.includes('/') ? undefined : retentionFiles.get(stemOf(file).toLowerCase());
}

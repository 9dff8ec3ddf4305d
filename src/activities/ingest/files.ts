import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import picomatch from 'picomatch';
import type { KnowledgeBase } from '../../contract/index.js';
import {
  kindOfFile,
  problem,
  readContent,
  readEndings,
  type FileKind,
  type FileReading,
  type ReadFile,
} from '../../ingest/index.js';
import { readBytes } from '../corpus/bytes.js';
import { decodeText } from '../corpus/decode.js';
import type { Within } from '../corpus/roots.js';
import { walk, type Skip } from '../corpus/walk.js';

type Globs = Pick<KnowledgeBase, 'include' | 'exclude' | 'maxFileBytes'>;

/** A file that may be read, or what is left out already. */
export type FoundFile = { path: string; read: () => Promise<ReadFile> } | ReadFile;

/**
 * The files of a source, a file or a folder.
 *
 * @param path a real path, without links
 */
export async function findFiles(path: string, within: Within, globs: Globs): Promise<FoundFile[]> {
  if (!(await stat(path)).isDirectory()) return [foundFile(path, basename(path), globs)];
  const isIncluded = globs.include.length === 0 ? () => true : picomatch(globs.include);
  const isExcluded = picomatch(globs.exclude);
  return (await walk(path, within)).map((entry): FoundFile => {
    const file = entry.file === '' ? basename(path) : entry.file;
    if (entry.skip !== null) return leftOut(file, skipped[entry.skip]);
    if (isExcluded(file) || !isIncluded(file)) {
      return leftOut(file, problem('excluded', 'is excluded by a glob', 'change the globs to read it'));
    }
    return foundFile(entry.path, file, globs);
  });
}

const leftOut = (path: string, reading: FileReading): ReadFile => ({ path, kind: kindOfFile(path), reading });

const skipped: Record<Skip, FileReading> = {
  hidden: problem('hidden', 'is hidden: its name begins with a dot', 'rename it to read it'),
  danglingLink: problem('danglingLink', 'is a link to nothing', 'correct the link, or take it away'),
  outside: problem('outside', 'leads out of the folders that may be read', 'copy it into the folder'),
  linkLoop: problem('linkLoop', 'is a link to a folder that is read already', 'take the link away'),
  tooDeep: problem('tooDeep', 'lies too deep', 'move it up'),
  unreadable: problem('unreadable', 'cannot be opened', 'give the right to read it'),
};

function foundFile(path: string, file: string, { maxFileBytes }: Globs): FoundFile {
  const kind = kindOfFile(file);
  if (kind === null) {
    return leftOut(
      file,
      problem('unsupported', 'is of a kind that is not read', `save it as one of: ${readEndings.join(', ')}`),
    );
  }
  return { path: file, read: () => readFile(path, file, kind, maxFileBytes) };
}

async function readFile(path: string, file: string, kind: FileKind, maxBytes: number): Promise<ReadFile> {
  const read = await readBytes(path, maxBytes);
  if (read.ok) return { path: file, kind, reading: await readKind(read.bytes, kind, file, maxBytes) };
  const reading =
    read.code === 'tooLarge'
      ? problem('tooLarge', read.what, 'split it, or raise the limit of the knowledge base')
      : problem('unreadable', read.what, 'give the right to read it, or exclude it');
  return { path: file, kind, reading };
}

/** The documents in bytes of a known kind. */
export async function readKind(
  bytes: Uint8Array,
  kind: FileKind,
  file: string,
  maxBytes: number,
): Promise<FileReading> {
  if (kind === 'pdf' || kind === 'docx') return readContent({ kind, bytes }, file);
  const decoded = decodeText(bytes, maxBytes);
  if (!decoded.ok) return problem(decoded.code, decoded.what, decoded.fix);
  return readContent({ kind, text: decoded.text }, file);
}

import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { endingOf, endings, type CorpusFile } from '../../domains/reading/files.js';
import type { Findings } from '../../domains/reading/findings.js';
import { mebibytes, readBytes } from './bytes.js';
import { decodeText } from './decode.js';
import type { Within } from './roots.js';
import { walk } from './walk.js';

const mib = 1024 ** 2;

/** More is no corpus that a worker should hold in its memory. */
export const bounds = { fileBytes: 256 * mib, allBytes: 512 * mib, files: 10_000 } as const;

interface Found {
  path: string;
  /** as people know it: relative to the corpus */
  file: string;
}

/** The text of a corpus's files: of one file, or of those in a folder and the folders in it. */
export async function corpusFiles(path: string, within: Within, findings: Findings): Promise<CorpusFile[]> {
  const found = (await stat(path)).isDirectory()
    ? await filesIn(path, within, findings)
    : [{ path, file: basename(path) }];
  if (found.length === 0) {
    findings.problem(basename(path), `has no file that ends in .${endings.join(', .')}`, 'put the documents there');
  }
  const files: CorpusFile[] = [];
  let left: number = bounds.allBytes;
  for (const one of found) {
    const text = await readText(one, left, findings);
    if (text === null) continue;
    files.push({ file: one.file, text });
    left -= text.length;
  }
  return files;
}

async function filesIn(root: string, within: Within, findings: Findings): Promise<Found[]> {
  const found: Found[] = [];
  for (const entry of await walk(root, within)) {
    const { file } = entry;
    if (entry.skip === 'unreadable') {
      findings.problem(file === '' ? basename(root) : file, `cannot be read (${entry.code})`, 'let the worker read it');
    } else if (entry.skip === 'outside') {
      findings.problem(file, 'leads out of the folders that rounds may read', 'copy it, or take it away');
    } else if (entry.skip !== null) findings.leave(file, skipped[entry.skip]);
    else if (endingOf(file) === null) findings.leave(file, `does not end in .${endings.join(', .')}`);
    else found.push({ path: entry.path, file });
  }
  if (found.length <= bounds.files) return found;
  findings.problem(basename(root), `holds more than ${bounds.files} files`, 'put several documents into one file');
  return [];
}

const skipped = {
  hidden: 'hidden file or folder',
  danglingLink: 'link that leads nowhere',
  linkLoop: 'folder that was read already',
  tooDeep: 'folder that lies too deep',
} as const;

/** Null where there is a problem. */
async function readText({ path, file }: Found, mostBytes: number, findings: Findings): Promise<string | null> {
  const most = Math.min(mostBytes, bounds.fileBytes);
  const read = await readBytes(path, most);
  if (!read.ok) {
    const what =
      read.code === 'tooLarge' && most < bounds.fileBytes
        ? `is too large: a corpus may hold ${mebibytes(bounds.allBytes)} in all`
        : read.what;
    findings.problem(file, what, 'give a file of JSON, JSONL, CSV or TSV, or several');
    return null;
  }
  const decoded = decodeText(read.bytes, most);
  if (decoded.ok) return decoded.text;
  findings.problem(file, decoded.what, decoded.fix);
  return null;
}

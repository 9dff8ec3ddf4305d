import { constants } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { endingOf, endings, type CorpusFile } from '../../domains/reading/files.js';
import type { Findings } from '../../domains/reading/findings.js';
import { decodeText } from './decode.js';
import type { Within } from './roots.js';

const mib = 1024 ** 2;

/** More is no corpus that a worker should hold in its memory. */
export const bounds = { fileBytes: 256 * mib, allBytes: 512 * mib, files: 10_000, depth: 32 } as const;

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
  // links may lead in a circle
  const seen = new Set<string>([await realpath(root)]);
  const visit = async (folder: string, prefix: string, depth: number): Promise<void> => {
    const names = await readdir(folder).catch((error: unknown) => {
      findings.problem(prefix === '' ? basename(root) : prefix, `cannot be read (${codeOf(error)})`, 'let the worker read it');
      return [];
    });
    for (const name of names.sort()) {
      const file = `${prefix}${name}`;
      const path = await realpath(join(folder, name)).catch(() => null);
      if (name.startsWith('.')) findings.leave(file, 'hidden file or folder');
      else if (path === null) findings.leave(file, 'link that leads nowhere');
      else if (!within(path)) {
        findings.problem(file, 'leads out of the folders that rounds may read', 'copy it, or take it away');
      } else if ((await stat(path)).isDirectory()) {
        if (seen.has(path) || depth === bounds.depth) findings.leave(file, 'folder that was read already, or too deep');
        else {
          seen.add(path);
          await visit(path, `${file}/`, depth + 1);
        }
      } else if (endingOf(name) === null) findings.leave(file, `does not end in .${endings.join(', .')}`);
      else found.push({ path, file });
    }
  };
  await visit(root, '', 1);
  if (found.length <= bounds.files) return found;
  findings.problem(basename(root), `holds more than ${bounds.files} files`, 'put several documents into one file');
  return [];
}

/** Null where there is a problem. */
async function readText({ path, file }: Found, mostBytes: number, findings: Findings): Promise<string | null> {
  const bytes = await readBytes(path, Math.min(mostBytes, bounds.fileBytes));
  if (typeof bytes === 'string') {
    findings.problem(file, bytes, 'give a file of JSON, JSONL, CSV or TSV, or several');
    return null;
  }
  const decoded = decodeText(bytes, Math.min(mostBytes, bounds.fileBytes));
  if (decoded.ok) return decoded.text;
  findings.problem(file, decoded.what, decoded.fix);
  return null;
}

/** The bytes, or in words why they are not read. Opening does not wait for the other end of a pipe. */
async function readBytes(path: string, mostBytes: number): Promise<Uint8Array | string> {
  let handle;
  try {
    if (!(await stat(path)).isFile()) return 'is neither a file nor a folder';
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile()) return 'is neither a file nor a folder';
    if (found.size > mostBytes) {
      return mostBytes < bounds.fileBytes
        ? `is too large: a corpus may hold ${bounds.allBytes / mib} MiB in all`
        : `is larger than ${bounds.fileBytes / mib} MiB`;
    }
    return await handle.readFile();
  } catch (error) {
    return `cannot be read (${codeOf(error)})`;
  } finally {
    await handle?.close();
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unreadable';

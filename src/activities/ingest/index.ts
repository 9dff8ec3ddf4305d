import { realpath } from 'node:fs/promises';
import type { KnowledgeBase } from '../../contract/index.js';
import { ingestFiles, problem, type Ingest, type ReadFile } from '../../ingest/index.js';
import { codeOf } from '../corpus/bytes.js';
import type { Within } from '../corpus/roots.js';
import { findFiles, type FoundFile } from './files.js';
import { pageUrl, readPage, type MayFetch } from './pages.js';

/** What may be read: on a worker its roots, in a command all that its user may read. */
export interface Permissions {
  within: Within;
  mayFetch: MayFetch;
}

/** Reads the sources of a knowledge base, and cuts what they hold into passages. A file that gives nothing stops no other. */
export async function ingest(base: KnowledgeBase, permissions: Permissions): Promise<Ingest> {
  const found = (await Promise.all(base.sources.map((source) => findSource(source, base, permissions)))).flat();
  const readable = found.filter((file) => 'read' in file);
  if (readable.length > base.maxFiles) {
    const what = `there are ${readable.length} files to read, and the limit is ${base.maxFiles}`;
    const fix = 'exclude some by a glob, or raise the limit of the knowledge base';
    return { files: [], passages: [], problems: [{ code: 'tooManyFiles', what, fix }] };
  }
  const files: ReadFile[] = [];
  // one after another: a file and its documents are in memory at once
  for (const file of found) files.push('read' in file ? await file.read() : file);
  return ingestFiles(files, base.cut);
}

async function findSource(source: string, base: KnowledgeBase, permissions: Permissions): Promise<FoundFile[]> {
  const { within, mayFetch } = permissions;
  const url = pageUrl(source);
  if (url !== null) return [{ path: source, read: () => readPage(url, mayFetch, base.maxFileBytes) }];
  try {
    const path = await realpath(source);
    if (within(path)) return await findFiles(path, within, base);
    const reading = problem('outside', 'is outside of the folders that may be read', 'copy it into one of them');
    return [{ path: source, kind: null, reading }];
  } catch (error) {
    const reading = problem(
      'unreadable',
      `cannot be read (${codeOf(error)})`,
      'correct the path, or the right to read it',
    );
    return [{ path: source, kind: null, reading }];
  }
}

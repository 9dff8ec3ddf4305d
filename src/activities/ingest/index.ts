import { realpath } from 'node:fs/promises';
import type { KnowledgeBase } from '../../contract/index.js';
import { ingestFiles, type Ingest, type IngestProblem, type ReadFile } from '../../ingest/index.js';
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
  const sources = await Promise.all(base.sources.map((source) => findSource(source, base, permissions)));
  // passages of a folder that is away must not be taken for gone
  const missing = sources.flatMap((source) => ('code' in source ? [source] : []));
  if (missing.length > 0) return { files: [], passages: [], problems: missing };
  const found = sources.flatMap((source) => ('code' in source ? [] : source));
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

async function findSource(
  source: string,
  base: KnowledgeBase,
  { within, mayFetch }: Permissions,
): Promise<FoundFile[] | IngestProblem> {
  const url = pageUrl(source);
  if (url !== null) return [{ path: source, read: () => readPage(url, mayFetch, base.maxFileBytes) }];
  const path = await realpath(source).catch((error: unknown) => ({ code: codeOf(error) }));
  if (typeof path !== 'string') return noSource(`${source} cannot be read (${path.code})`);
  return within(path)
    ? findFiles(path, within, base)
    : noSource(`${source} is outside of the folders that may be read`);
}

const noSource = (what: string): IngestProblem => ({
  code: 'noSource',
  what,
  fix: 'bring it back, or give the knowledge base other sources by `npx selkie init`',
});

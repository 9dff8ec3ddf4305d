import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from './bytes.js';
import type { Within } from './roots.js';

/** Folders in folders that are read. */
const deepest = 32;

/** Why a file or folder is passed over. */
export type Skip = 'hidden' | 'danglingLink' | 'outside' | 'linkLoop' | 'tooDeep' | 'unreadable';

/** A file below a folder, or what is passed over. */
export type Entry = {
  /** relative to the folder; empty: the folder itself */
  file: string;
} & (
  | { skip: null; path: string }
  | { skip: 'unreadable'; /** the system's error code */ code: string }
  | { skip: Exclude<Skip, 'unreadable'> }
);

/** Everything below a folder, by name, with links followed. A folder is read once, since links may lead in a circle. */
export async function walk(root: string, within: Within): Promise<Entry[]> {
  const entries: Entry[] = [];
  const seen = new Set<string>([await realpath(root)]);
  const visit = async (folder: string, prefix: string, depth: number): Promise<void> => {
    const names = await readdir(folder).catch((error: unknown) => {
      entries.push({ file: prefix, skip: 'unreadable', code: codeOf(error) });
      return [];
    });
    for (const name of names.sort()) {
      const file = `${prefix}${name}`;
      const path = await realpath(join(folder, name)).catch(() => null);
      if (name.startsWith('.')) entries.push({ file, skip: 'hidden' });
      else if (path === null) entries.push({ file, skip: 'danglingLink' });
      else if (!within(path)) entries.push({ file, skip: 'outside' });
      else if (!(await stat(path)).isDirectory()) entries.push({ file, path, skip: null });
      else if (seen.has(path)) entries.push({ file, skip: 'linkLoop' });
      else if (depth === deepest) entries.push({ file, skip: 'tooDeep' });
      else {
        seen.add(path);
        await visit(path, `${file}/`, depth + 1);
      }
    }
  };
  await visit(root, '', 1);
  return entries;
}

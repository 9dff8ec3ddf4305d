import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { failure } from '../../contract/index.js';

/** Whether a real path, without links, may be read. */
export type Within = (path: string) => boolean;

export const anywhere: Within = () => true;

/**
 * Finds the corpus that a round names, under one of the folders that rounds may read. A relative name is looked for in each
 * of them; `{tenant}` in a folder stands for the round's tenant, so that no tenant reads another's documents.
 *
 * @returns the real path, and which other paths may be read with it
 * @throws InvalidCorpus where it is outside of them, or not there
 */
export async function findCorpus(
  name: string,
  roots: readonly string[],
  tenant: string,
): Promise<{ path: string; within: Within }> {
  const named = roots.map((root) => resolve(root.replaceAll('{tenant}', tenant)));
  const real = await Promise.all(named.map((root) => realpath(root).catch(() => null)));
  const within: Within = (path) => real.some((root) => root !== null && isUnder(root, path));
  const candidates = isAbsolute(name) ? [name] : named.map((root) => resolve(root, name));
  let inside = false;
  for (const candidate of candidates) {
    const path = await realpath(candidate).catch(() => null);
    if (path !== null && within(path)) return { path, within };
    inside ||= path === null && named.some((root) => isUnder(root, resolve(candidate)));
  }
  // of a path outside it is not told whether there is something
  throw failure(
    'InvalidCorpus',
    inside
      ? `${name}: the worker cannot read it (ENOENT); it looked in ${named.join(', ')}`
      : `${name}: is outside of the folders that rounds may read: ${named.join(', ')}. Put it there, or set SELKIE_CORPUS_ROOTS of the worker`,
  );
}

function isUnder(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

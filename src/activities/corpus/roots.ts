import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { failure } from '../../contract/index.js';

/** Whether a real path, without links, may be read. */
export type Within = (path: string) => boolean;

export const anywhere: Within = () => true;

/**
 * Finds the corpus that a round names, under one of the folders that rounds may read. A relative name is looked up in
 * each of them. `{tenant}` in a folder is the round's tenant, so no tenant reads another's documents. A hidden path is
 * never a corpus: the same folder may hold a stack's state, with passwords.
 *
 * @returns the real path, and which other paths may be read with it
 * @throws InvalidCorpus where it is outside of them, or missing
 */
export async function findCorpus(
  name: string,
  roots: readonly string[],
  tenant: string,
): Promise<{ path: string; within: Within }> {
  const named = roots.map((root) => resolve(root.replaceAll('{tenant}', tenant)));
  const real = (await Promise.all(named.map((root) => realOf(root)))).filter((root) => root !== null);
  const within: Within = (path) => real.some((root) => isUnder(root, path));
  const candidates = named.map((root) => resolve(root, name));
  let inside = false;
  for (const candidate of candidates) {
    const path = await realOf(candidate);
    const isNamed = named.some((root) => isShownUnder(root, candidate));
    if (path !== null && within(path) && (isNamed || real.some((root) => isShownUnder(root, path)))) {
      return { path, within };
    }
    inside ||= path === null && isNamed;
  }
  // of a path outside it is not told whether there is something
  throw failure(
    'InvalidCorpus',
    inside
      ? `${name}: the worker cannot read it (ENOENT); it looked in ${named.join(', ')}`
      : `${name}: is hidden or outside of the folders that rounds may read: ${named.join(', ')}. Put it there, or set SELKIE_CORPUS_ROOTS of the worker`,
  );
}

const realOf = (path: string): Promise<string | null> => realpath(path).catch(() => null);

function isUnder(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

const isShownUnder = (root: string, path: string): boolean =>
  isUnder(root, path) &&
  !relative(root, path)
    .split(sep)
    .some((part) => part.startsWith('.'));

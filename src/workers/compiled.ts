import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

// What `npm run build` writes, found from `src/` and `dist/` alike: Temporal loads both files by their path.
const compiled = (name: string): string => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));

/** The compiled workflows in one file; `build-workflow-bundle` writes it. */
export const workflowBundlePath = compiled('workflow-bundle.js');

/** The tolerant converter, in the bundle, in workers and in clients. */
export const payloadConverterPath = compiled('contract/payload-converter.js');

/** The build id of the workflows in a bundle: the same code is the same version, wherever it was built. */
export async function buildIdOf(bundle: string): Promise<string> {
  const digest = createHash('sha256').update(await readFile(bundle));
  return digest.digest('hex').slice(0, 16);
}

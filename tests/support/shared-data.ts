import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Public files that are too large or not ours to be kept here (SQuAD and its kin, SEAL's verdicts): in the folder that
 * `SELKIE_TEST_DATA` names, else next to the project.
 */
const folder = process.env['SELKIE_TEST_DATA'] ?? resolve(fileURLToPath(import.meta.url), '../../../../shared/data');

export const sharedFile = (file: string): string => join(folder, file);

/** Whether the file is there; a test that needs it is skipped without, and says so. */
export function hasSharedData(file: string): boolean {
  const found = existsSync(sharedFile(file));
  if (!found) console.warn(`skipped: there is no ${file} in ${folder}; SELKIE_TEST_DATA names another folder`);
  return found;
}

export const sharedData = async (file: string): Promise<unknown> =>
  JSON.parse((await readFile(sharedFile(file), 'utf8')).replace(/^\ufeff/u, ''));

// Where the installation keeps things; src/stack/layout.ts says the same for the run state.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const home = resolve(root, process.env.SELKIE_HOME ?? '.selkie');
export const installLog = join(home, 'logs', 'install.log');
export const cli = join(root, 'dist', 'cli', 'main.js');

/** next to the build, so that it counts for every home */
export const buildStamp = join(root, 'dist', 'build.sha256');

/** Whether what the stamp stands for was made from what has this digest. */
export const isStamped = (file, digest) => existsSync(file) && readFileSync(file, 'utf8') === digest;

export function stamp(file, digest) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, digest);
}

/** sha256 over the contents of files and further values, in order. */
export function digestOf(files, ...values) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  for (const value of values) hash.update(`${value}\0`);
  return hash.digest('hex');
}

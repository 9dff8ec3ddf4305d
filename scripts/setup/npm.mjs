// The npm packages, exactly as package-lock.json has them.
import { existsSync, readFileSync } from 'node:fs';
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

export async function installNpm(steps) {
  await steps.command(
    'npm',
    ['ci', '--include=dev', '--no-progress'],
    'Is the npm registry reachable, and is there room on the disk?',
    { cwd: root },
  );
}

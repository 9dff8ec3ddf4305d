// The TypeScript build, when a source is newer than what was built.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildStamp, cli, digestOf, isStamped, root, stamp } from './layout.mjs';

const sources = () => [
  ...readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort(),
  join(root, 'package.json'),
  join(root, 'package-lock.json'),
  join(root, 'tsconfig.json'),
  join(root, 'tsconfig.build.json'),
];

export const isBuilt = () => existsSync(cli) && isStamped(buildStamp, digestOf(sources()));

export async function build(steps) {
  const digest = digestOf(sources());
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await steps.command('npm', ['run', 'build', '--silent'], 'The sources do not compile.', {
    cwd: root,
  });
  stamp(buildStamp, digest);
}

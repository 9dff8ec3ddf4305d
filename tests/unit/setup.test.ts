import { execa } from 'execa';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repoRoot } from '../../src/stack/index.js';

it('looks for what was compiled at the same place for every SELKIE_HOME', async () => {
  const script = `import('./scripts/setup/layout.mjs').then(({ buildStamp }) => console.log(buildStamp))`;
  const stamps = await Promise.all(
    ['.selkie', '/elsewhere'].map((home) =>
      execa(process.execPath, ['-e', script], { cwd: repoRoot, env: { SELKIE_HOME: home } }),
    ),
  );
  for (const { stdout } of stamps) expect(stdout).toBe(join(repoRoot, 'dist', 'build.sha256'));
});

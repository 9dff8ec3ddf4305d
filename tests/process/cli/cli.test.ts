import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

it('the compiled command line runs as the documents call it', async () => {
  const { stdout } = await promisify(execFile)('npx', ['selkie', '--help'], { cwd: root });
  expect(stdout).toMatch(/^Usage: selkie/u);
});

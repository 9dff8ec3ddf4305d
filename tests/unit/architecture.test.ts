import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ESLint } from 'eslint';
import { beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../../src/stack/layout.js';

// The lint rules themselves are under test here: `npm run lint` holds the code to them.
describe('workflow code may not', { timeout: 120_000 }, () => {
  const file = join(repoRoot, 'src/workflows/round/conduct.ts');
  let eslint: ESLint;

  beforeAll(() => {
    eslint = new ESLint({ cwd: repoRoot });
  });

  it.each([
    ['import an activity', "import '../../activities/serve.js';\n", 'boundaries/dependencies'],
    [
      'import the types of an activity',
      "export type { Work } from '../../activities/serve.js';\n",
      'boundaries/dependencies',
    ],
    ['import the ledger', "import '../../ledger/index.js';\n", 'boundaries/dependencies'],
    ['import a Node built-in', "import 'node:fs';\n", 'no-restricted-imports'],
    ["import Temporal's client", "import '@temporalio/client';\n", 'no-restricted-imports'],
    ['read the clock', 'export const now = Date.now();\n', 'no-restricted-globals'],
    ['read the environment', 'export const { env } = process;\n', 'no-restricted-globals'],
    ['draw a random number', 'export const drawn = Math.random();\n', 'no-restricted-properties'],
    ['throw a plain Error', "throw new Error('wedges');\n", 'no-restricted-syntax'],
  ])('%s', async (_what, text, rule) => {
    const [result] = await eslint.lintText(text, { filePath: file });
    expect(result?.messages.map(({ ruleId }) => ruleId)).toContain(rule);
  });
});

/** Packages of the runner that compute; `service` is the process around them. */
const engines = ['batched', 'jobs', 'lora', 'models', 'reference', 'rows', 'simulated', 'store'];

it.each(engines)('the engines import neither Temporal nor HTTP: %s', (folder) => {
  const path = join(repoRoot, 'gpu-runner/selkie_runner', folder);
  const modules = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.py'));
  expect(modules.length).toBeGreaterThan(0);
  const forbidden =
    /^\s*(?:from|import)\s+(?:temporalio|fastapi|uvicorn|starlette|\.+service\b|selkie_runner\.service\b)/m;
  expect(modules.filter((name) => forbidden.test(readFileSync(join(path, name), 'utf8')))).toEqual([]);
});

// Every check of the project; a failure stops none of the rest. Two at a time: the tests of whole processes mostly wait for
// one another's servers, and leave a core to the others.
//   node scripts/test.mjs [--full]      the last line is "N passed, N failed"
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { clientsVenv, installClients } from './setup/clients.mjs';
import { install } from './setup/install.mjs';
import { root } from './setup/layout.mjs';
import { venv, venvBin } from './setup/python.mjs';
import { SetupError } from './setup/steps.mjs';

const full = process.argv.includes('--full');
const results = mkdtempSync(join(tmpdir(), 'selkie-test-'));
const runner = join(root, 'gpu-runner');
const bin = (name) => join(root, 'node_modules', '.bin', name);
const env = {
  ...process.env,
  SELKIE_VENV: venv,
  PYTHONPATH: runner,
  PYRIGHT_PYTHON_IGNORE_WARNINGS: '1',
  ...(full && { SELKIE_SOAK_SECONDS: '600' }),
};

/** Its output goes out line by line, each with the suite's name before it. */
const run = (suite, file, args, cwd = root) =>
  new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => console.log(`${suite} │ ${line}`));
    }
    child.once('error', (error) => {
      console.error(`${suite} │ ${error.message}`);
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });

/** A check counts as one test. */
const check = (file, args, cwd) => async (suite) =>
  (await run(suite, file, args, cwd)) === 0 ? { passed: 1, failed: [] } : { passed: 0, failed: [suite] };

/** `read` gives the number of tests that passed and the names of those that failed; a suite itself may break too. */
const counted = (suite, code, file, read) => {
  const { passed, failed } = existsSync(file) ? read(readFileSync(file, 'utf8')) : { passed: 0, failed: [] };
  return { passed, failed: code !== 0 && failed.length === 0 ? [`${suite} itself`] : failed };
};

const vitest = (project) => async (suite) => {
  const file = join(results, `${project}.json`);
  const code = await run(suite, bin('vitest'), [
    'run',
    `--project=${project}`,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  return counted(suite, code, file, (text) => {
    const { numPassedTests, testResults } = JSON.parse(text);
    const broken = testResults.filter((r) => r.status === 'failed' && r.assertionResults.length === 0);
    const tests = testResults.flatMap((r) => r.assertionResults).filter((test) => test.status === 'failed');
    return { passed: numPassedTests, failed: [...broken.map((r) => r.name), ...tests.map((test) => test.fullName)] };
  });
};

async function pytest(suite) {
  const file = join(results, 'pytest.xml');
  const code = await run(suite, venvBin('python'), ['-m', 'pytest', '-q', `--junitxml=${file}`], runner);
  return counted(suite, code, file, (text) => {
    const tests = text.split('<testcase ').slice(1);
    const broken = tests.filter((test) => /<(failure|error)\b/.test(test));
    const skipped = tests.filter((test) => test.includes('<skipped'));
    const name = (test) => /classname="([^"]*)" name="([^"]*)"/.exec(test)?.slice(1).join('::') ?? test;
    return { passed: tests.length - broken.length - skipped.length, failed: broken.map(name) };
  });
}

const lanes = [
  [['vitest process', vitest('process')], ...(full ? [['vitest full', vitest('full')]] : [])],
  [
    ['prettier', check(bin('prettier'), ['--check', '.'])],
    ['eslint', check(bin('eslint'), ['.'])],
    ['tsc', check(bin('tsc'), ['--noEmit'])],
    ['ruff check', check(venvBin('ruff'), ['check', '.'], runner)],
    ['ruff format', check(venvBin('ruff'), ['format', '--check', '.'], runner)],
    ['import-linter', check(venvBin('lint-imports'), [], runner)],
    ['pyright', check(venvBin('pyright'), ['--pythonpath', venvBin('python')], runner)],
    ['vitest unit', vitest('unit')],
    ['pytest', pytest],
    ['vitest servers', vitest('servers')],
  ],
];

let passed = 0;
let failed = 0;
const summary = [];
try {
  await install(['service', 'temporal', 'dev']);
  if (full) {
    const missing = await installClients();
    if (missing === null) env.SELKIE_CLIENTS_VENV = clientsVenv;
    else summary.push(`SKIPPED third-party clients in Python: ${missing}`);
  }
  const started = Date.now();
  await Promise.all(
    lanes.map(async (suites) => {
      for (const [name, suite] of suites) {
        const startMs = Date.now();
        const result = await suite(name);
        passed += result.passed;
        failed += result.failed.length;
        const seconds = Math.round((Date.now() - startMs) / 1000);
        const verdict = result.failed.length === 0 ? 'ok    ' : 'FAILED';
        summary.push(`${verdict} ${name}: ${result.passed} passed, ${result.failed.length} failed, ${seconds} s`);
        summary.push(...result.failed.map((test) => `         ${test}`));
      }
    }),
  );
  summary.push(`all checks: ${Math.round((Date.now() - started) / 1000)} s`);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nselkie: ${error.message}`);
  failed += 1;
} finally {
  rmSync(results, { recursive: true, force: true });
}
console.log(`\n${summary.join('\n')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

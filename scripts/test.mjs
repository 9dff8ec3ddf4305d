// Every check of the project, one after the other; a failure stops none of the rest.
//   node scripts/test.mjs [--full]      the last line is "N passed, N failed"
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install } from './setup/install.mjs';
import { root } from './setup/layout.mjs';
import { venv, venvBin } from './setup/python.mjs';
import { SetupError } from './setup/steps.mjs';

const full = process.argv.includes('--full');
const results = mkdtempSync(join(tmpdir(), 'selkie-test-'));
const runner = join(root, 'gpu-runner');
const bin = (name) => join(root, 'node_modules', '.bin', name);
const env = { ...process.env, SELKIE_VENV: venv, PYTHONPATH: runner, PYRIGHT_PYTHON_IGNORE_WARNINGS: '1' };

const run = (file, args, cwd = root) =>
  new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env, stdio: 'inherit' });
    child.once('error', (error) => {
      console.error(error.message);
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });

/** A check counts as one test. */
const check = async (file, args, cwd) =>
  (await run(file, args, cwd)) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };

/** A suite that breaks before or beside its tests counts as one failure more. */
const counted = (code, file, read) => {
  const { passed, failed } = existsSync(file) ? read(readFileSync(file, 'utf8')) : { passed: 0, failed: 0 };
  return { passed, failed: code !== 0 && failed === 0 ? 1 : failed };
};

async function vitest(project) {
  const file = join(results, `${project}.json`);
  const code = await run(bin('vitest'), [
    'run',
    `--project=${project}`,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  return counted(code, file, (text) => {
    const report = JSON.parse(text);
    const broken = report.testResults.filter((r) => r.status === 'failed' && r.assertionResults.length === 0).length;
    return { passed: report.numPassedTests, failed: report.numFailedTests + broken };
  });
}

async function pytest() {
  const file = join(results, 'pytest.xml');
  const code = await run(venvBin('python'), ['-m', 'pytest', '-q', `--junitxml=${file}`], runner);
  return counted(code, file, (text) => {
    const suite = /<testsuite [^>]*>/.exec(text)?.[0] ?? '';
    const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
    const failed = count('failures') + count('errors');
    return { passed: count('tests') - failed - count('skipped'), failed };
  });
}

const suites = [
  ['prettier', () => check(bin('prettier'), ['--check', '.'])],
  ['eslint', () => check(bin('eslint'), ['.'])],
  ['tsc', () => check(bin('tsc'), ['--noEmit'])],
  ['ruff check', () => check(venvBin('ruff'), ['check', '.'], runner)],
  ['ruff format', () => check(venvBin('ruff'), ['format', '--check', '.'], runner)],
  ['pyright', () => check(venvBin('pyright'), ['--pythonpath', venvBin('python')], runner)],
  ['vitest unit', () => vitest('unit')],
  ['pytest', pytest],
  ['vitest process', () => vitest('process')],
  ...(full ? [['vitest full', () => vitest('full')]] : []),
];

let passed = 0;
let failed = 0;
const summary = [];
try {
  await install(['service', 'temporal', 'dev']);
  for (const [name, suite] of suites) {
    console.log(`\n── ${name}`);
    const startMs = Date.now();
    const result = await suite();
    passed += result.passed;
    failed += result.failed;
    summary.push(
      `${result.failed === 0 ? 'ok    ' : 'FAILED'} ${name}: ${result.passed} passed, ${result.failed} failed, ${Math.round((Date.now() - startMs) / 1000)} s`,
    );
  }
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

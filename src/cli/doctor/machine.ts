import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  choosablePorts,
  findTemporal,
  freeBytes,
  freeBytesNeeded,
  isSet,
  layoutOf,
  repoRoot,
  runningStack,
  temporalVersion,
  venvOf,
} from '../../stack/index.js';
import { failed, type Finding } from './finding.js';

const gib = 1024 ** 3;
const memoryNeeded = 7 * gib;

/** What this machine must have before anything is started. */
export async function machineFindings(): Promise<Finding[]> {
  return [node(), build(), disk(), memory(), ...(await Promise.all([python(), temporal(), ports()]))];
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { check: 'node', ok, detail: process.versions.node, advice: 'install Node 20.19 or newer' };
}

async function python(): Promise<Finding> {
  const venv = venvOf();
  const script =
    'import sys, torch, transformers, temporalio; print(sys.version.split()[0], "torch", torch.__version__)';
  const result = await execa(join(venv, 'bin', 'python'), ['-c', script], { reject: false });
  const last = result.stderr.trim().split('\n').at(-1) ?? '';
  return {
    check: 'python',
    ok: !result.failed,
    detail: result.failed ? `${venv}: ${last === '' ? 'no Python there' : last}` : `${result.stdout} in ${venv}`,
    advice: 'run `npm run up`, which installs it, or set SELKIE_VENV to an environment of yours',
  };
}

async function temporal(): Promise<Finding> {
  try {
    const file = findTemporal(process.env);
    return { check: 'temporal', ok: true, detail: `${await temporalVersion(file)} at ${file}` };
  } catch (error) {
    return { ...failed('temporal', error), ok: isSet(process.env['TEMPORAL_ADDRESS']) };
  }
}

function build(): Finding {
  const program = join(repoRoot, 'dist', 'workers', 'main.js');
  return { check: 'build', ok: existsSync(program), detail: program, advice: 'run `npm run build`' };
}

/** Of the folder that holds all state, or where it will be made. */
function disk(): Finding {
  const { home } = layoutOf();
  try {
    const free = freeBytes(home);
    return {
      check: 'disk',
      ok: free >= freeBytesNeeded,
      detail: `${(free / gib).toFixed(1)} GiB free for ${home}`,
      advice: 'free at least 1 GiB there, or set SELKIE_HOME to a folder on another disk',
    };
  } catch (error) {
    return failed('disk', error);
  }
}

function memory(): Finding {
  return {
    check: 'memory',
    ok: totalmem() >= memoryNeeded,
    detail: `${(freemem() / gib).toFixed(1)} of ${(totalmem() / gib).toFixed(1)} GiB free`,
    advice: 'the demo needs about 7 GiB, and 11 GiB to train and answer at the same time',
  };
}

async function ports(): Promise<Finding> {
  try {
    if (runningStack() !== null) return { check: 'ports', ok: true, detail: 'in use by the running stack' };
    const { ports: chosen, instead } = await choosablePorts(layoutOf().ports, process.env);
    const detail = Object.entries(chosen).map(([name, port]) => `${name} ${port}`);
    return {
      check: 'ports',
      ok: true,
      detail: `${detail.join(', ')}${instead.length === 0 ? '' : ` (instead of ones that are taken: ${instead.join(', ')})`}`,
    };
  } catch (error) {
    return failed('ports', error);
  }
}

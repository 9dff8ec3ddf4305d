import { Command } from '@commander-js/extra-typings';
import { execa } from 'execa';
import { existsSync, statfsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  choosablePorts,
  findTemporal,
  layoutOf,
  repoRoot,
  runningStack,
  temporalAnswers,
  temporalVersion,
  venvOf,
} from '../../stack/index.js';
import { exitCodes } from '../errors.js';
import { print } from '../output.js';

interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** what to do about it */
  advice?: string;
}

const gib = 1024 ** 3;
const needed = { diskBytes: gib, memoryBytes: 7 * gib };

/** `selkie doctor` */
export function doctorCommand(): Command {
  const doctor = new Command('doctor')
    .description('look at everything that Selkie needs, and say what is missing; exit code 1 if something is')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie doctor')
    .action(async ({ json }) => {
      const findings = [
        ...[node(), build(), disk(), memory()],
        ...(await Promise.all([python(), temporal(), ports(), parts()])),
      ];
      const text = findings.map(
        ({ check, ok, detail, advice }) =>
          `${ok ? 'ok     ' : 'missing'} ${check.padEnd(9)} ${detail}${ok || advice === undefined ? '' : `\n                  ${advice}`}`,
      );
      print({ ok: findings.every(({ ok }) => ok), findings }, text.join('\n'), json);
      if (findings.some(({ ok }) => !ok)) process.exitCode = exitCodes.failed;
    });
  return doctor;
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
    return { check: 'temporal', ok: process.env['TEMPORAL_ADDRESS'] !== undefined, detail: (error as Error).message };
  }
}

function build(): Finding {
  const program = join(repoRoot, 'dist', 'workers', 'main.js');
  return { check: 'build', ok: existsSync(program), detail: program, advice: 'run `npm run build`' };
}

function disk(): Finding {
  const { bavail, bsize } = statfsSync(repoRoot);
  const free = bavail * bsize;
  return {
    check: 'disk',
    ok: free >= needed.diskBytes,
    detail: `${(free / gib).toFixed(1)} GiB free`,
    advice: 'free at least 1 GiB',
  };
}

function memory(): Finding {
  return {
    check: 'memory',
    ok: totalmem() >= needed.memoryBytes,
    detail: `${(freemem() / gib).toFixed(1)} of ${(totalmem() / gib).toFixed(1)} GiB free`,
    advice: 'the demo needs about 7 GiB',
  };
}

async function ports(): Promise<Finding> {
  if (runningStack() !== null) return { check: 'ports', ok: true, detail: 'in use by the running stack' };
  try {
    const { ports: chosen, instead } = await choosablePorts(layoutOf().ports, process.env);
    const detail = Object.entries(chosen).map(([name, port]) => `${name} ${port}`);
    return {
      check: 'ports',
      ok: true,
      detail: `${detail.join(', ')}${instead.length === 0 ? '' : ` (instead of ones that are taken: ${instead.join(', ')})`}`,
    };
  } catch (error) {
    return { check: 'ports', ok: false, detail: (error as Error).message };
  }
}

async function parts(): Promise<Finding> {
  const state = runningStack();
  if (state === null) return { check: 'stack', ok: true, detail: 'not running; `npm run up` starts it' };
  const ok = await temporalAnswers(state.temporalAddress);
  return {
    check: 'stack',
    ok,
    detail: `process ${state.supervisor}, ${state.temporalUi ?? state.temporalAddress}`,
    advice: `Temporal does not answer: see ${state.logs}`,
  };
}

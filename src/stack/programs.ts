import { delimiter, join } from 'node:path';
import { taskQueues } from '../contract/index.js';
import type { ChildSpec } from './processes/child.js';
import { repoRoot, venvOf, type Layout } from './layout.js';

/** What may differ between the demo, a real run and a test on a tiny model. */
export interface RunnerOptions {
  /** a model registry of one's own, as JSON; by default the runner's */
  models?: string;
  /** the model that is loaded at the start; by default `SELKIE_MODEL`, or the built-in one */
  model?: string;
  threads?: number;
  /** trainings at once */
  slots?: number;
  /** rows decoded at once; 1 makes answers independent of what else is asked */
  decodeBatch?: number;
  /** steps between two checkpoints of a training */
  checkpointEvery?: number;
  /** more flags of `selkie_runner serve` */
  flags?: string[];
}

const flag = (name: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [name, String(value)];

const saysReady = (log: string): boolean => /^\{.*"event": ?"ready"/m.test(log);

/** The Python process that trains and serves: one per device. */
export function runnerSpec(layout: Layout, options: RunnerOptions, port: number, env: NodeJS.ProcessEnv): ChildSpec {
  return {
    name: 'runner',
    command: join(venvOf(env), 'bin', 'python'),
    args: [
      ...['-m', 'selkie_runner', 'serve', '--task-queue', taskQueues.gpu],
      ...['--store', layout.store, '--work', join(layout.work, 'runner'), '--cache', layout.models],
      ...['--http-host', '127.0.0.1', '--http-port', String(port)],
      ...flag('--models', options.models),
      ...flag('--model', options.model),
      ...flag('--threads', options.threads),
      ...flag('--slots', options.slots),
      ...flag('--decode-batch', options.decodeBatch),
      ...flag('--checkpoint-every', options.checkpointEvery),
      ...(options.flags ?? []),
    ],
    env: {
      ...env,
      PYTHONPATH: join(repoRoot, 'gpu-runner'),
      PYTHONUNBUFFERED: '1',
    },
    cwd: layout.home,
    logFile: join(layout.logs, 'runner.log'),
    isReady: (log) => Promise.resolve(saysReady(log)),
    readyWithinMs: 300_000, // the first start unpacks the model
    stopSignal: 'SIGTERM',
    stopWithinMs: 15_000,
    advise: (log) =>
      /ModuleNotFoundError|ImportError/.test(log)
        ? 'A Python package is missing: delete .venv and start again.'
        : /MemoryError|out of memory|SIGKILL/i.test(log)
          ? 'If memory ran out, choose a smaller model.'
          : '',
  };
}

/** The Node process that runs workflows and light activities, and asks the runner's model. */
export function workerSpec(layout: Layout, env: NodeJS.ProcessEnv, model?: string): ChildSpec {
  return {
    name: 'worker',
    command: process.execPath,
    args: [join(repoRoot, 'dist', 'workers', 'main.js')],
    env: {
      // it runs in the home of the stack; a round's corpus is where the stack was started, or in the checkout
      SELKIE_CORPUS_ROOTS: [process.cwd(), join(repoRoot, 'corpus')].join(delimiter),
      ...env,
      ...(model !== undefined && { SELKIE_MODEL: model }),
    },
    cwd: layout.home,
    logFile: join(layout.logs, 'worker.log'),
    isReady: (log) => Promise.resolve(saysReady(log)),
    readyWithinMs: 120_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 15_000,
    advise: (log) =>
      /ERR_MODULE_NOT_FOUND|Cannot find module/.test(log) ? 'dist/ is missing or old: run `npm run build`.' : '',
  };
}

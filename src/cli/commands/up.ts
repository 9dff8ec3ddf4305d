import { Command } from '@commander-js/extra-typings';
import { spawn } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkDisk,
  layoutOf,
  readFrom,
  repoRoot,
  runningStack,
  sizeOf,
  startStack,
  type Endpoints,
  type RunnerOptions,
  type StackState,
} from '../../stack/index.js';
import { CliError, exitCodes } from '../errors.js';
import { onInterrupt, pause, untilAborted } from '../interrupt.js';
import { positive } from '../arguments.js';
import { print, say } from '../output.js';
import { readTextFile } from '../text/text-file.js';

const pollMs = 200;
/** more than all parts may take together, one after the other */
const readyWithinMs = 15 * 60_000;

/** `selkie up` */
export function upCommand(): Command {
  const up = new Command('up')
    .description('start Temporal, Postgres, the gpu-runner and the worker, and keep them running')
    .option('--model <name>', 'the model that the gpu-runner loads')
    .option('--models <file>', 'a model registry of your own, as JSON')
    .option('--slots <n>', 'trainings at once', positive)
    .option('--threads <n>', 'CPU threads of the gpu-runner', positive)
    .option('--detach', 'return when everything is ready, and leave it running')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Ctrl-C, or \`selkie down\` elsewhere, stops it; the next \`up\` resumes all work in progress.
Servers of your own: TEMPORAL_ADDRESS, DATABASE_URL, SELKIE_INFERENCE_URL.
Fixed ports: SELKIE_PORT_TEMPORAL, SELKIE_PORT_TEMPORAL_UI, SELKIE_PORT_POSTGRES, SELKIE_PORT_INFERENCE.

Examples:
  $ npm run up
  $ npm run up -- --detach
  $ npm run up -- --models my-models.json --model my-model`,
    )
    .action(async ({ detach, json, ...runner }) => {
      checkModels(runner);
      refuseForRunning(runner, runningStack());
      if (detach === true) print(...(await startDetached()), json);
      else await keepRunning(runner, json);
    });
  return up;
}

/** The runner would say it too, minutes later and in its log. */
function checkModels({ models }: RunnerOptions): void {
  if (models === undefined) return;
  try {
    JSON.parse(readTextFile(models));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CliError(`--models ${models} is not JSON: ${error.message}`, exitCodes.usage);
  }
}

/** A runner keeps the options that it was started with. */
function refuseForRunning(runner: RunnerOptions, state: StackState | null): void {
  const [option] = Object.keys(runner);
  if (state === null || option === undefined) return;
  throw new CliError(
    `a stack runs here already (process ${state.supervisor}), and its runner keeps its options: leave out --${option}, or stop it with \`npm run down\` first`,
  );
}

async function keepRunning(runner: RunnerOptions, json: boolean | undefined): Promise<void> {
  const interrupted = onInterrupt();
  const failures: Error[] = [];
  const broken = new AbortController();
  const stack = await startStack({
    runner,
    onProgress: say,
    onFailure: (error) => {
      failures.push(error);
      broken.abort();
    },
  });
  if (stack.attached) refuseForRunning(runner, runningStack());
  const { attached, temporalAddress, temporalNamespace, temporalUi, databaseUrl, inferenceUrl, store, logs } = stack;
  const endpoints = { temporalAddress, temporalNamespace, temporalUi, databaseUrl, inferenceUrl, store, logs };
  print(endpoints, `${endpointsText(endpoints)}\n${attached ? 'It was running already.' : 'Ctrl-C stops it.'}`, json);
  if (attached) return;
  await Promise.race([untilAborted(interrupted), untilAborted(broken.signal)]);
  say('stopping');
  await stack.stop();
  const [failure] = failures;
  if (failure !== undefined) throw failure;
}

/** Starts `selkie up` as its own process and waits until everything is ready. */
async function startDetached(): Promise<[Endpoints, string]> {
  const layout = layoutOf();
  if (runningStack(layout) === null) checkDisk(layout.home);
  mkdirSync(layout.logs, { recursive: true });
  const logFile = join(layout.logs, 'up.log');
  const from = sizeOf(logFile);
  const log = openSync(logFile, 'a');
  const args = [join(repoRoot, 'dist', 'cli', 'main.js'), ...process.argv.slice(2).filter((arg) => arg !== '--detach')];
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log] });
  child.unref();
  const interrupted = onInterrupt();
  const untilMs = Date.now() + readyWithinMs;
  for (;;) {
    const state = runningStack(layout);
    if (state !== null) {
      const { supervisor, ...endpoints } = state;
      return [endpoints, `${endpointsText(endpoints)}\nIt runs as process ${supervisor}; \`npm run down\` stops it.`];
    }
    if (child.exitCode !== null || child.signalCode !== null) {
      const how = child.signalCode === null ? '' : ` (it was ended by ${child.signalCode})`;
      const said = readFrom(logFile, from).trim();
      throw new CliError(
        `it did not start${how}:\n${said === '' ? '' : `${said}\n`}See ${logFile}`,
        child.exitCode ?? exitCodes.failed,
      );
    }
    if (interrupted.aborted) throw new CliError('it is still starting; `npm run down` stops it', exitCodes.interrupted);
    if (Date.now() >= untilMs) {
      throw new CliError(
        `it is not ready after ${readyWithinMs / 60_000} minutes: see ${logFile}; \`npm run down\` stops it`,
      );
    }
    await pause(pollMs, interrupted);
  }
}

/** Where everything is, for people. */
export function endpointsText(endpoints: Endpoints): string {
  const { temporalAddress, temporalNamespace, temporalUi, databaseUrl, inferenceUrl, logs } = endpoints;
  return [
    `Web UI      ${temporalUi ?? '(of your own Temporal)'}`,
    `Temporal    ${temporalAddress}, namespace ${temporalNamespace}`,
    `models      ${inferenceUrl}`,
    `ledger      ${withoutPassword(databaseUrl)}`,
    `logs        ${logs}`,
  ].join('\n');
}

function withoutPassword(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return '(DATABASE_URL)';
  const url = new URL(databaseUrl);
  if (url.password !== '') url.password = '…';
  return decodeURI(url.href);
}

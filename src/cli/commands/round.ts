import { Command } from '@commander-js/extra-typings';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  campaignId,
  parseConfig,
  roundConfigProblems,
  roundConfigSchema,
  taskQueues,
  workflowTypes,
  type RoundConfig,
} from '../../contract/index.js';
import { CliError, exitCodes } from '../errors.js';
import { withSession, type Session } from '../connect.js';
import { trialsDoing } from '../in-flight.js';
import { clock, print, say } from '../output.js';
import { statusLine, viewText } from '../round-text.js';
import { viewRound, type RoundView } from '../rounds.js';
import { stampNow } from '../stamp.js';

const pollMs = 2000;
/** After so long without a change it says what is being done. */
const quietMs = 15_000;

/**
 * Reads `--config`: a file's name or JSON; throws a CliError that lists every problem.
 *
 * @param as who asks for the round; without it whom the config names, or the user of this machine
 */
export function readRoundConfig(argument?: string, as?: string): RoundConfig {
  const text = argument === undefined ? '{}' : existsSync(argument) ? readFileSync(argument, 'utf8') : argument;
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new CliError(
      `--config is neither a file nor JSON (${(error as Error).message}): give a path, or something like '{"editsPerSource": 2}'`,
      exitCodes.usage,
    );
  }
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    raw = as === undefined ? { requestedBy: userName(), ...raw } : { ...raw, requestedBy: as };
  }
  const parsed = parseConfig(roundConfigSchema, raw);
  const problems = parsed.ok ? roundConfigProblems(parsed.value) : parsed.problems;
  if (!parsed.ok || problems.length > 0) {
    throw new CliError(`the round's config has problems:\n  ${problems.join('\n  ')}`, exitCodes.usage);
  }
  return parsed.value;
}

/** Undefined, for which the config has a word, where the system knows no name: in some containers. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** `selkie round start | status | watch` */
export function roundCommand(): Command {
  const round = new Command('round').description('start a round, or see how one stands');

  round
    .command('start')
    .description('start a round; its config has a default for everything')
    .option('--config <file or json>', 'the round config, or a part of it')
    .option('--id <id>', 'the workflow id of the round; by default <tenant>.<time>')
    .option('--as <name>', 'who asks for it, whose approval does not count; by default your name on this machine')
    .option('--watch', 'wait for the end and show how it goes')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ npx selkie round start
  $ npx selkie round start --config '{"sources": {"train": 2}, "editsPerSource": 2}' --watch
  $ npx selkie round start --config examples/configs/small.json --id demo.monday --as ann`,
    )
    .action(async ({ config, id, as, watch, json }) => {
      const input = readRoundConfig(config, as);
      await withSession(async (session) => {
        const roundId = id ?? campaignId(input.tenant, `round-${stampNow()}`);
        await startRound(session, roundId, input);
        if (watch === true) {
          finish(await watchRound(session, roundId, json), json);
          return;
        }
        print(
          { roundId, workflowId: roundId },
          `started ${roundId}\n  npx selkie round watch ${roundId}\n  npx selkie gate list`,
          json,
        );
      });
    });

  round
    .command('status')
    .description('how a round stands')
    .argument('<id>', 'the workflow id of the round')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie round status demo.monday')
    .action((id, { json }) =>
      withSession(async ({ client }) => {
        const view = await viewRound(client, id);
        print(view, viewText(view), json);
      }),
    );

  round
    .command('watch')
    .description('follow a round to its end; exit code 1 when it does not complete')
    .argument('<id>', 'the workflow id of the round')
    .option('--json', 'print one JSON document a line for each change, the last with the result')
    .addHelpText('after', '\nExample:\n  $ npx selkie round watch demo.monday')
    .action((id, { json }) => withSession(async (session) => finish(await watchRound(session, id, json), json)));

  return round;
}

async function startRound({ client }: Session, roundId: string, config: RoundConfig): Promise<void> {
  try {
    await client.workflow.start(workflowTypes.round, {
      taskQueue: taskQueues.control,
      workflowId: roundId,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      args: [config],
      staticSummary: `${config.model} · ${config.sources.train} sources × ${config.editsPerSource} edits`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new CliError(
      `there is a round "${roundId}" already: \`npx selkie round status ${roundId}\`, or give another --id`,
    );
  }
}

/** Shows each change until the round ends, and what the trials do now and then. */
async function watchRound({ client }: Session, roundId: string, json: boolean | undefined): Promise<RoundView> {
  const startMs = Date.now();
  let shown = '';
  let shownMs = 0;
  for (;;) {
    const view = await viewRound(client, roundId);
    const line = view.status === null ? 'waiting for a worker' : statusLine(view.status);
    if (line !== shown && json === true) process.stdout.write(`${JSON.stringify(view)}\n`);
    if (json !== true && (line !== shown || Date.now() - shownMs >= quietMs)) {
      const doing = view.status === null ? line : statusLine(view.status, await trialsDoing(client, roundId));
      say(`${clock((Date.now() - startMs) / 1000)}  ${doing}`);
      shownMs = Date.now();
    }
    shown = line;
    if (view.execution !== 'RUNNING') return view;
    await sleep(pollMs);
  }
}

function finish(view: RoundView, json: boolean | undefined): void {
  if (json === true) process.stdout.write(`${JSON.stringify(view)}\n`);
  else process.stdout.write(`${viewText(view)}\n`);
  if (view.execution !== 'COMPLETED') process.exitCode = exitCodes.failed;
}

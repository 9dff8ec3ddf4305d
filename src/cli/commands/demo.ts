import { Command } from '@commander-js/extra-typings';
import type { Client } from '@temporalio/client';
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { roundIdOf, type RoundResult } from '../../contract/index.js';
import { Ledger } from '../../ledger/index.js';
import { buildDemoSummary, type DemoSummary } from '../demo/summary.js';
import { clientOf, layoutOf, startStack, watchMemory, type Stack } from '../../stack/index.js';
import { startApprovalBot } from '../demo/bot.js';
import { campaignResults, editSeconds, isUnderWay, startDemo, viewCampaign } from '../demo/campaign.js';
import { keepDemo, keptDemo } from '../demo/kept.js';
import { ProgressLine } from '../demo/progress.js';
import { outcomesText, resultTable } from '../demo/table.js';
import { CliError, exitCodes } from '../errors.js';
import { trialsDoing } from '../round/in-flight.js';
import { onInterrupt, pause, untilAborted } from '../interrupt.js';
import { positive } from '../arguments.js';
import { clock, seconds } from '../../lib/format.js';
import { print, say } from '../output.js';

/** A look, with a sample of the memory, took 30 ms of the processor, which the trainings want. */
const pollMs = 2000;

/** `selkie demo` */
export function demoCommand(): Command {
  const demo = new Command('demo')
    .description('run two rounds on the sample corpus, from nothing to a table')
    .option('--json <file>', 'also write the result as JSON')
    .option('--rounds <n>', 'how many rounds', positive, 2)
    .option('--keep', 'keep the stack running after the table, until Ctrl-C')
    .addHelpText(
      'after',
      `
Ctrl-C stops the processes and loses nothing: the next \`demo\` resumes.

Examples:
  $ npm run demo
  $ npm run demo -- --json demo.json
  $ npm run demo -- --rounds 1 --keep`,
    )
    .action(({ json, rounds, keep }) => runDemo({ file: json, rounds, keep: keep === true }));
  return demo;
}

interface DemoOptions {
  file: string | undefined;
  rounds: number;
  keep: boolean;
}

async function runDemo({ file, rounds, keep }: DemoOptions): Promise<void> {
  const startMs = Date.now();
  if (file !== undefined) checkPlace(file);
  const interrupted = onInterrupt();
  const memory = watchMemory(layoutOf());
  const failures: Error[] = [];
  const stack = await startStack({ onProgress: say, onFailure: (error) => failures.push(error) });
  const stopBot = startApprovalBot(stack);
  try {
    const client = await clientOf(stack);
    const campaign = await beginOrResume(client, rounds);
    if (stack.temporalUi !== null) say(`watch it at ${stack.temporalUi}/namespaces/default/workflows/${campaign.id}`);
    await follow(client, campaign, interrupted, failures);
    if (interrupted.aborted) {
      say(`\n${campaign.id} is kept. \`npm run demo\` resumes it; so does \`npm run up\`, without the bot.`);
      process.exitCode = exitCodes.interrupted;
      return;
    }
    const results = await campaignResults(client, campaign.id);
    const costs = await measureCosts(client, stack, results);
    const summary = buildDemoSummary(results, {
      wallSeconds: (Date.now() - startMs) / 1000,
      installSeconds: Number(process.env['SELKIE_INSTALL_SECONDS'] ?? 0),
      peakMemoryBytes: memory.peakBytes(),
      secondsPerEdit: costs.secondsPerEdit,
      temporalUi: stack.temporalUi,
    });
    print(summary, `\n${endText(results, summary, costs, stack)}`, false);
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(summary, null, 2)}\n`);
    if (keep && !stack.attached) {
      say('Ctrl-C stops the stack.');
      await untilAborted(interrupted);
    }
  } finally {
    memory.stop();
    stopBot();
    await stack.stop();
  }
}

/** Minutes before it is written: a place that takes no file is told now. */
function checkPlace(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new CliError(`--json ${file} is a folder: name a file in it`, exitCodes.usage);
  }
  accessSync(dirname(resolve(file)), constants.W_OK);
}

interface Campaign {
  id: string;
  rounds: number;
}

async function beginOrResume(client: Client, rounds: number): Promise<Campaign> {
  const kept = keptDemo();
  if (kept !== null && (await isUnderWay(client, kept.campaign))) {
    say(`going on with ${kept.campaign}, which was interrupted`);
    return { id: kept.campaign, rounds: kept.rounds };
  }
  const id = await startDemo(client, rounds);
  keepDemo({ campaign: id, rounds });
  say(`started ${id}`);
  return { id, rounds };
}

/** Shows progress until the campaign ends, the user interrupts, or a part of the stack is down for good. */
async function follow(client: Client, campaign: Campaign, interrupted: AbortSignal, failures: Error[]): Promise<void> {
  const line = new ProgressLine(campaign.rounds, (round) => trialsDoing(client, roundIdOf(campaign.id, round)));
  let round = 1;
  try {
    while (!interrupted.aborted) {
      const view = await viewCampaign(client, campaign.id, round);
      round = view.round;
      await line.show(round, view.status);
      if (!view.running) return;
      const [failure] = failures;
      if (failure !== undefined) throw failure;
      await pause(pollMs, interrupted);
    }
  } finally {
    line.end();
  }
}

interface Costs {
  secondsPerEdit: number | null;
  deviceSecondsPerEdit: number | null;
}

/** What a candidate edit took, over all rounds: on the clock, and on the device. */
async function measureCosts(client: Client, stack: Stack, results: RoundResult[]): Promise<Costs> {
  const ledger = await Ledger.connect(stack.databaseUrl);
  try {
    let edits = 0;
    let waited = 0;
    let deviceSeconds = 0;
    for (const { roundId } of results) {
      const trials = await ledger.trials.ofPurpose(roundId, 'edits');
      edits += trials.length;
      waited += await editSeconds(client, roundId);
      deviceSeconds += trials.reduce((sum, { result }) => sum + (result?.deviceSeconds ?? 0), 0);
    }
    if (edits === 0) return { secondsPerEdit: null, deviceSecondsPerEdit: null };
    return { secondsPerEdit: waited / edits, deviceSecondsPerEdit: deviceSeconds / edits };
  } finally {
    await ledger.close();
  }
}

function endText(results: RoundResult[], summary: DemoSummary, costs: Costs, stack: Stack): string {
  const last = results.at(-1);
  if (last === undefined) throw new CliError('the campaign was stopped before its first round ended');
  return [
    resultTable(results),
    outcomesText(results),
    `per edit: ${seconds(costs.secondsPerEdit)}, of which ${seconds(costs.deviceSecondsPerEdit)} on the device`,
    `in all: ${clock(summary.wallSeconds)} (installation ${clock(summary.installSeconds)}), memory at most ${(summary.peakMemoryBytes / 1024 ** 3).toFixed(1)} GiB`,
    '',
    'Where to look next:',
    `  npm run up                                  brings everything back; Web UI ${stack.temporalUi ?? 'of your Temporal'}`,
    `  npx selkie round status ${roundIdOf(campaignOf(last.roundId), results.length)}`,
    `  npx selkie gate show ${last.roundId}`,
    `  the last report                             ${stack.store}/sha256/${last.report.sha256.slice(0, 2)}/${last.report.sha256}/report.json`,
    `  logs                                        ${stack.logs}`,
  ].join('\n');
}

const campaignOf = (roundId: string): string => roundId.replace(/\.r\d+$/, '');

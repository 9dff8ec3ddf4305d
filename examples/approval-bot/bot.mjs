// Decides at the release gates of a tenant's rounds by a written rule (README.md). It needs Temporal's address and the
// artifact store, and knows nothing else of Selkie.
//   node bot.mjs --store .selkie/store [--tenant demo | --round ID]
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { evidenceOf, readReport, reportSummary } from './report.mjs';
import { decide, hasDecided } from './rule.mjs';

const { values: options } = parseArgs({
  options: {
    store: { type: 'string' },
    tenant: { type: 'string', default: 'demo' },
    round: { type: 'string' },
    approver: { type: 'string', default: 'demo-bot' },
    tolerance: { type: 'string', default: '0.05' },
    'lost-share': { type: 'string', default: '0.25' },
    'until-stdin-closes': { type: 'boolean', default: false },
  },
});
if (options.store === undefined) {
  console.error(
    'usage: node bot.mjs --store FOLDER [--tenant NAME | --round ID] [--tolerance 0.05] [--lost-share 0.25]',
  );
  process.exit(2);
}
const limits = { tolerance: Number(options.tolerance), lostShare: Number(options['lost-share']) };
const pollMs = 2000;

let running = true;
const stop = () => {
  running = false;
};
process.once('SIGTERM', stop).once('SIGINT', stop);
if (options['until-stdin-closes']) process.stdin.resume().once('close', () => process.exit(0));

const { connectionOptions, namespace } = loadClientConnectConfig();
const connection = await Connection.connect(connectionOptions);
const client = new Client({ connection, namespace });
const log = (message) => console.log(`${new Date().toISOString()} ${message}`);
log(
  `waits for gates of ${options.round ?? `the tenant ${options.tenant}`} at ${connectionOptions.address ?? 'localhost'}`,
);

while (running) {
  try {
    for (const roundId of await roundsToLookAt()) await lookAt(roundId).catch((error) => tryAgain(error, roundId));
  } catch (error) {
    tryAgain(error, 'the list of rounds'); // the server restarts
  }
  await sleep(pollMs);
}
await connection.close();

/** One round that does not answer holds up no other. What comes from elsewhere is logged as JSON: it may hold anything. */
function tryAgain(error, what) {
  log(`will try again: ${JSON.stringify(what)}: ${JSON.stringify(error.message)}`);
}

async function roundsToLookAt() {
  if (options.round !== undefined) return [options.round];
  const query = `WorkflowType = 'sealRound' AND ExecutionStatus = 'Running' AND SealGate = 'open' AND SealTenant = '${options.tenant}'`;
  const ids = [];
  for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
  return ids;
}

async function lookAt(roundId) {
  for (const { spec, state } of await client.workflow.getHandle(roundId).query('gates')) {
    if (state !== 'open') continue;
    // sent until the gate shows it, in whatever process: only the gate itself knows what it has heard
    const gate = client.workflow.getHandle(spec.gateId);
    const [own] = await gate.query('gates');
    if (own === undefined || hasDecided(own, spec, options.approver)) continue;
    const { decision, note } = decide(await evidenceFor(roundId, spec), limits);
    await gate.signal(decision, {
      gateId: spec.gateId,
      digest: spec.digest,
      approver: options.approver,
      note,
      key: spec.digest, // a resend is the same decision
    });
    log(
      `${decision} ${JSON.stringify(spec.gateId)}: ${note}${own.blocked === null ? '' : ` (nothing can be released: ${JSON.stringify(own.blocked)})`}`,
    );
  }
}

/** The numbers that the gate's digest stands for, and no others. */
async function evidenceFor(roundId, spec) {
  const summary = await reportSummary(client, roundId);
  if (summary?.releaseDigest !== spec.digest) throw new Error(`${roundId} has no report for the digest ${spec.digest}`);
  return evidenceOf(summary, await readReport(options.store, summary.report));
}

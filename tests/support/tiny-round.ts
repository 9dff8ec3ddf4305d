import { roundDesign } from '../../src/experiment/round-design.js';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import {
  gateViewSchema,
  queryNames,
  roundConfigSchema,
  roundResultSchema,
  signalNames,
  taskQueues,
  trainResultSchema,
  workflowTypes,
  type RoundConfigInput,
  type RoundResult,
  type TrainResult,
} from '../../src/contract/index.js';
import { Ledger } from '../../src/ledger/index.js';
import { clientOf, layoutOf, startStack, type RunnerOptions, type Stack } from '../../src/stack/index.js';
import { makeStackHome, removeStackHome } from './stack-home.js';

/** A whole stack in its own folder. */
export interface TestStack {
  stack: Stack;
  client: Client;
  ledger: Ledger;
  stop(): Promise<void>;
}

/** Steps between two checkpoints of a training. */
export const checkpointEvery = 5;

const modelsOf = (home: string): string => join(home, 'models.json');

/** A runner whose trainings and answers repeat bit for bit. */
export const tinyRunner = (home: string): RunnerOptions => ({
  models: modelsOf(home),
  model: 'tiny',
  threads: 1,
  slots: 2,
  decodeBatch: 1,
  checkpointEvery,
  flags: ['--deterministic'],
});

/** The folder that a stack keeps everything in. */
export const homeOf = ({ store }: Stack): string => dirname(store);

/** On a tiny random model in float32, decoding one row at a time; `runner` replaces what is said here of the runner. */
export async function startTinyStack(runner: RunnerOptions = {}): Promise<TestStack> {
  const home = await makeStackHome();
  const tiny = { source: 'random:llama-words', chat: true, dtype: 'float32', maxLength: 1024 };
  await writeFile(modelsOf(home), JSON.stringify({ models: { tiny } }));
  return startIn(home, { ...tinyRunner(home), ...runner });
}

/** As people start it: on the sample model, with a runner that is told nothing. */
export const startSampleStack = async (): Promise<TestStack> => startIn(await makeStackHome(), {});

async function startIn(home: string, runner: RunnerOptions): Promise<TestStack> {
  const stack = await startStack({ home, runner });
  const client = await clientOf(stack);
  const ledger = await Ledger.connect(stack.databaseUrl);
  return {
    stack,
    client,
    ledger,
    stop: async () => {
      await ledger.close();
      await client.connection.close();
      await stack.stop();
      removeStackHome(home);
    },
  };
}

/** A round over in half a minute; `reference` selects on every document, so a policy is always trained. */
export const tinyRound = roundConfigSchema.parse({
  model: 'tiny',
  sources: { train: 2, heldOut: 1 },
  editsPerSource: 2,
  templates: ['implications'],
  sampling: { temperature: 1, maxTokens: 64 },
  recipe: { preset: 'small', rank: 4, alpha: 8, maxSteps: 60, epochs: 60, learningRate: 0.005 },
  policy: { recipe: { preset: 'policy', rank: 8, alpha: 16 } },
  selection: { rule: 'reference' },
  window: 2,
  requestedBy: 'the test',
  profiles: { heartbeatSeconds: 6, retryInitialSeconds: 0.2 },
} satisfies RoundConfigInput);

export const startRound = (client: Client, workflowId: string, config: RoundConfigInput = tinyRound) =>
  client.workflow.start(workflowTypes.round, { taskQueue: taskQueues.workflow, workflowId, args: [config] });

/** Asks until it is so; the test's own timeout is the bound. */
export async function until<T>(ask: () => Promise<T | null | undefined | false>, everyMs = 100): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => null);
    if (answer) return answer;
    await sleep(everyMs);
  }
}

/**
 * Approves the round's gate when it opens, after `atGate`, and waits for the round's end; a round that fails before throws.
 */
export async function approvedResult(
  client: Client,
  roundId: string,
  atGate: () => Promise<void> = () => Promise.resolve(),
): Promise<RoundResult> {
  const handle = client.workflow.getHandle(roundId);
  const result = handle.result();
  const gate = await Promise.race([
    result.then(() => null),
    until(async () => {
      const gates = gateViewSchema.array().parse(await handle.query(queryNames.gates));
      return gates.find(({ state }) => state === 'open');
    }, 500),
  ]);
  if (gate !== null) {
    await atGate();
    const { gateId, digest } = gate.spec;
    await handle.signal(signalNames.approve, { gateId, digest, approver: 'somebody else', note: 'looked at it' });
  }
  return roundResultSchema.parse(await result);
}

/** What must not depend on what happened on the way: texts, weights and scores of every trial. */
export async function fingerprint(ledger: Ledger, roundId: string) {
  const trials = await Promise.all(roundDesign.purposes.map(({ name }) => ledger.trials.ofPurpose(roundId, name)));
  return trials.flat().map(({ proposalKey, result }) => ({
    trialId: result?.trialId,
    proposalKey,
    outcome: result?.outcome,
    editDigest: result?.editDigest,
    adapter: result?.adapter?.layer.sha256,
    evaluation: result?.evaluation,
  }));
}

/** Every training that the stack's store has published. */
export async function publishedTrainings({ store }: Stack): Promise<TrainResult[]> {
  const folder = join(store, 'trainings');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  return Promise.all(
    files.map(async (name) => trainResultSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))),
  );
}

/** How many trainings under way have a checkpoint. */
export async function checkpoints(stack: Stack): Promise<number> {
  const { work } = layoutOf(homeOf(stack));
  const entries = await readdir(join(work, 'runner', 'trainings'), { recursive: true });
  return entries.filter((name) => name.includes('checkpoint') && !name.includes('tmp')).length;
}

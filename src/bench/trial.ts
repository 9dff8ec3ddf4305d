import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  shardIdOf,
  shardResultSchema,
  taskQueues,
  workflowTypes,
  type RoundConfigInput,
  type ShardResult,
} from '../contract/index.js';
import { mean } from '../seal/statistics.js';
import { clientOf, layoutOf, startStack } from '../stack/index.js';
import type { Bench, BenchContext, BenchResult } from './bench.js';
import { measuredSchema, benchResult } from './bars.js';

const engines = ['batched', 'solo'] as const;
type Engine = (typeof engines)[number];

/** How often both engines are measured, in turn. */
const repeats = 2;
/** Trials of a measurement: all of them are in flight at once. */
const trials = 16;

const config = (seed: number): RoundConfigInput => ({
  sources: { train: trials, heldOut: 0 },
  editsPerSource: 1,
  window: trials,
  controls: { rawPassage: false, merged: false, rules: false, otherSource: false, freshSeeds: false },
  seed,
  requestedBy: 'selkie bench',
});

/**
 * Whole trials (write an edit, train on it, evaluate, record) through Temporal, Postgres and the real model, with either
 * engine in the runner. Every measurement has its own stack, empty but for the model, so no cache can answer.
 */
const trial: Bench = {
  summary: 'whole trials per hour through Temporal, with the batched engine against solo',
  usage: 'npm run bench -- trial [--json]',
  run,
};
export default trial;

async function run(context: BenchContext): Promise<BenchResult> {
  const seconds: Record<Engine, number[]> = { batched: [], solo: [] };
  const outcomes: Record<string, unknown>[] = [];
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    for (const engine of engines) {
      const measured = await measure(engine, repeat, context);
      context.onProgress(`${repeat + 1}/${repeats} ${engine}: ${measured.seconds.toFixed(0)} s for ${trials} trials`);
      seconds[engine].push(measured.seconds);
      outcomes.push({ engine, ...measured });
    }
  }
  const perTrial = (engine: Engine) => (mean(seconds[engine]) ?? NaN) / trials;
  const perHour = (value: number) => ({ value: 3600 / value, unit: 'trials/h' });
  return benchResult(
    measuredSchema.parse({
      bench: 'trial',
      device: { kind: 'cpu', name: cpus()[0]?.model ?? 'unknown', cores: cpus().length, trials, window: trials },
      sides: {
        batched: perHour(perTrial('batched')),
        solo: perHour(perTrial('solo')),
        secondsPerTrial: {
          value: perTrial('batched'),
          unit: 's',
          note: `batched, ${trials} at once: the time for all of them, divided by their number`,
        },
      },
      ratios: { batched_vs_solo: perTrial('solo') / perTrial('batched') },
      runs: seconds.batched.map((batched, repeat) => ({
        batched: (3600 * trials) / batched,
        solo: (3600 * trials) / (seconds.solo[repeat] ?? NaN),
        secondsPerTrial: batched / trials,
      })),
      outcomes,
    }),
    { ratios: { batched_vs_solo: 2.5 }, sidesBelow: { secondsPerTrial: 6 } },
  );
}

/** The seconds from the start of the shard of candidate edits to its end. */
async function measure(engine: Engine, repeat: number, { onProgress }: BenchContext) {
  const home = join(layoutOf().home, 'bench', `trial-${engine}-${repeat}`);
  rmSync(home, { recursive: true, force: true });
  // the imported model is shared: unpacking it is not what is measured
  const flags = ['--engine', engine, '--cache', layoutOf().models];
  const stack = await startStack({ home, runner: { flags }, onProgress });
  const client = await clientOf(stack);
  try {
    const roundId = `demo.trial-${engine}-${Date.now().toString(36)}`;
    const round = await client.workflow.start(workflowTypes.round, {
      taskQueue: taskQueues.workflow,
      workflowId: roundId,
      args: [config(1000 + repeat)],
    });
    onProgress(`${roundId}: ${trials} trials with the ${engine} engine`);
    const { seconds, result } = await untilShardEnds(client, shardIdOf(roundId, 'edits', 0), round.result());
    // what comes after the trials, the policy and its gate, is not measured
    await round.terminate('measured');
    return { seconds, outcomes: result.outcomes, deviceSeconds: result.deviceSeconds };
  } finally {
    await client.connection.close();
    await stack.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function untilShardEnds(
  client: Client,
  shard: string,
  round: Promise<unknown>,
): Promise<{ seconds: number; result: ShardResult }> {
  const handle = client.workflow.getHandle(shard);
  const shardEnds = async () => {
    for (;;) {
      try {
        return (await handle.result()) as unknown;
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
        await sleep(200); // the round is still preparing
      }
    }
  };
  // a round that fails has no shard to wait for; a round that still runs is ended by us, which is no failure
  const failed = round.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  const result = shardResultSchema.parse(await Promise.race([shardEnds(), failed]));
  const { startTime, closeTime } = await handle.describe();
  if (closeTime === undefined) throw new Error(`${shard} has a result and no end`);
  return { seconds: (closeTime.getTime() - startTime.getTime()) / 1000, result };
}

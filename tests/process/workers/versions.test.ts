import { afterAll, beforeAll, expect, it } from 'vitest';
import { Worker } from '@temporalio/worker';
import {
  activityContracts,
  gpuActivityNames,
  infoQueueOf,
  llmActivityNames,
  signalNames,
  taskQueues,
  workflowTypes,
  type ActivityName,
  type LedgerActivities,
  type LlmActivities,
} from '../../../src/contract/index.js';
import { isPolled } from '../../../src/stack/temporal/index.js';
import { makeCurrent } from '../../../src/workers/deployment.js';
import { createWorkflowWorkers, identityOf, runTogether, shutDown } from '../../../src/workers/workflow-worker.js';
import { decisionOn, fresh, openGateOf, resultOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, Rig } from '../../support/rig.js';
import type { ScriptedActivities } from '../../support/scripted-activities.js';

const round = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false },
};
const among = (names: readonly ActivityName[], name: ActivityName): boolean => names.includes(name);

describeWithTemporal('the versions of the workflow worker', () => {
  const rig = new Rig();
  beforeAll(() => rig.up());
  afterAll(() => rig.down());

  const scriptedOf = (scripted: ScriptedActivities, serves: (name: ActivityName) => boolean) => {
    const names = (Object.keys(activityContracts) as ActivityName[]).filter(serves);
    return Object.fromEntries(names.map((name) => [name, (request: unknown) => scripted.call(name, request)]));
  };
  const temporal = () => ({ connection: rig.env.nativeConnection, namespace: rig.env.namespace ?? 'default' });

  /** The compiled worker under a build id, which gets all tasks; returns what ends it. */
  async function startBuild(buildId: string, scripted: ScriptedActivities): Promise<() => Promise<void>> {
    const isLlm = (name: ActivityName): boolean => among(llmActivityNames, name);
    const workers = await createWorkflowWorkers({
      ...temporal(),
      ledger: scriptedOf(
        scripted,
        (name) => !isLlm(name) && !among(gpuActivityNames, name),
      ) as unknown as LedgerActivities,
      llm: scriptedOf(scripted, isLlm) as unknown as LlmActivities,
      llmQueue: taskQueues.llm,
      buildId,
    });
    const ended = runTogether(workers);
    await makeCurrent(
      temporal(),
      { buildId, identity: identityOf('test') },
      { signal: new AbortController().signal, warn: console.warn },
    );
    return async () => {
      shutDown(workers);
      await ended;
    };
  }

  it('take over from each other: a round that one began ends under the next', async () => {
    const { ledger, scripted } = fresh();
    const runner = await Promise.all(
      [taskQueues.gpu, infoQueueOf(taskQueues.gpu)].map((taskQueue) =>
        Worker.create({
          ...temporal(),
          taskQueue,
          activities: scriptedOf(scripted, (name) => among(gpuActivityNames, name)),
        }),
      ),
    );
    const runnerEnded = runTogether(runner);
    const endFirst = await startBuild('first', scripted);
    const handle = await rig.client.start(workflowTypes.round, {
      workflowId: 'versions',
      taskQueue: taskQueues.workflow,
      args: [round],
    });
    const gate = await openGateOf(handle, ledger);
    for (const kind of ['workflow', 'activity'] as const) {
      expect(await isPolled(rig.env.connection, temporal().namespace, taskQueues.workflow, kind)).toBe(true);
    }
    await endFirst();
    const endSecond = await startBuild('second', scripted);
    await handle.signal(signalNames.approve, decisionOn(gate));
    expect(await resultOf(handle)).toMatchObject({ released: true });

    const { events } = await handle.fetchHistory();
    const builds = (events ?? []).flatMap(
      ({ workflowTaskCompletedEventAttributes: completed }) => completed?.deploymentVersion?.buildId ?? [],
    );
    expect([...new Set(builds)]).toEqual(['first', 'second']);
    await endSecond();
    shutDown(runner);
    await runnerEnded;
  });
});

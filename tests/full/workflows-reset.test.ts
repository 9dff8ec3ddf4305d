import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import { gateIdOf, queryNames, signalNames, workflowTypes, type GateView } from '../../src/contract/index.js';
import { decisionOn, endlessTraining, fresh, resultOf } from '../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../support/rig.js';

const round = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  editsPerSource: 2,
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false, otherSource: false },
};
/** Each its own tenant: the first release of one would leave the others nothing to compare with. */
const ofTenant = (n: number) => ({
  ...round,
  tenant: `t${n}`,
  gate: { ...round.gate, trust: 'unsigned' as const },
});
const workflowTaskCompleted = 7;

describeWithTemporal('a workflow that is reset', () => {
  const rig = useRig();

  /** Every event that a run may be reset to. */
  async function resetPoints(handle: WorkflowHandle): Promise<number[]> {
    const { events } = await handle.fetchHistory();
    return (events ?? []).flatMap(({ eventId, eventType }) =>
      Number(eventType) === workflowTaskCompleted ? [Number(eventId)] : [],
    );
  }

  async function reset({ workflowId }: WorkflowHandle, eventId: number | undefined): Promise<WorkflowHandle> {
    const { runId } = await rig.client.getHandle(workflowId).describe();
    await rig.client.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId, runId },
      reason: 'a test',
      requestId: randomUUID(),
      workflowTaskFinishEventId: eventId as never,
    });
    return rig.client.getHandle(workflowId);
  }

  const runningUnder = async (id: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const { workflowId } of rig.client.list({
      query: `WorkflowId STARTS_WITH "${id}" AND ExecutionStatus = "Running"`,
    })) {
      found.push(workflowId);
    }
    return found;
  };
  const nothingRunsUnder = (id: string) => until(async () => (await runningUnder(id)).length === 0);

  /** Starts one run of a kind for each point that its history may be reset to once `reached`, and resets it there. */
  async function resetEverywhere(
    type: string,
    prefix: string,
    input: (n: number) => unknown,
    reached: (id: string) => Promise<boolean>,
  ): Promise<WorkflowHandle[]> {
    const begin = async (n: number): Promise<[WorkflowHandle, number[]]> => {
      const handle = await rig.start(type, `${prefix}-${n}`, input(n));
      await until(() => reached(handle.workflowId), 60);
      return [handle, await resetPoints(handle)];
    };
    const [first, points] = await begin(0);
    const others = await Promise.all(points.slice(1).map((_, i) => begin(i + 1)));
    const all: [WorkflowHandle, number[]][] = [[first, points], ...others];
    return Promise.all(all.map(([handle, own], i) => reset(handle, own[i] ?? own.at(-1))));
  }

  const trains = (scripted: ReturnType<typeof fresh>['scripted']) => (id: string) =>
    Promise.resolve(scripted.requests('proposeSelfEdit').some(({ trialId }) => trialId.startsWith(`${id}.`)));

  /** Again and again, as somebody would who sees the gate open: that of before the reset may be ending just now. */
  async function approveUntilItEnds(handle: WorkflowHandle, roundId: string): Promise<void> {
    const atGate = rig.client.getHandle(roundId);
    await until(async () => {
      const [gate] = await atGate.query<GateView[]>(queryNames.gates).catch(() => []);
      if (gate?.state === 'open') await atGate.signal(signalNames.approve, decisionOn(gate)).catch(() => undefined);
      return (await handle.describe()).status.name !== 'RUNNING';
    });
  }

  it('to any event of its trials, and cancelled: nothing of it runs on', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('trainAdapter', endlessTraining);
    await rig.serving(scripted, async () => {
      const rounds = await resetEverywhere(workflowTypes.round, 'cancelled', () => round, trains(scripted));
      await Promise.all(rounds.map((handle) => handle.cancel()));
      for (const handle of rounds) await expect(resultOf(handle)).rejects.toThrow(/cancelled/);
      await nothingRunsUnder('cancelled');
    });
    expect([...ledger.outcomes.values()].map(({ outcome }) => outcome)).not.toContain('infra_failure');
  });

  it('to any event at its gate, and approved: it ends as it should, by one gate', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const opened = (id: string) => Promise.resolve(ledger.gates.has(gateIdOf(id, 'release')));
      const rounds = await resetEverywhere(workflowTypes.round, 'approved', ofTenant, opened);
      for (const handle of rounds) {
        await approveUntilItEnds(handle, handle.workflowId);
        expect(await resultOf(handle)).toMatchObject({ gate: 'approved', released: true });
      }
      await nothingRunsUnder('approved');
    });
  });

  it('and terminated: its children find out that nobody waits for them', async () => {
    const { ledger, scripted } = fresh();
    const soon = { ...round, profiles: { ...round.profiles, heartbeatSeconds: 1 } };
    scripted.always('trainAdapter', endlessTraining);
    await rig.serving(scripted, async () => {
      const inTrials = await resetEverywhere(workflowTypes.round, 'left', () => soon, trains(scripted));
      await Promise.all(inTrials.map((handle) => handle.terminate()));
      await nothingRunsUnder('left');
    });
    const atGate = fresh();
    await rig.serving(atGate.scripted, async () => {
      const opened = (id: string) => Promise.resolve(atGate.ledger.gates.has(gateIdOf(id, 'release')));
      const rounds = await resetEverywhere(workflowTypes.round, 'leftgate', () => soon, opened);
      await Promise.all(rounds.map((handle) => handle.terminate()));
      await nothingRunsUnder('leftgate');
    });
    expect([ledger.released, atGate.ledger.released]).toEqual([[], []]);
  });

  it('to any event of a campaign, and cancelled: its round does not run on', async () => {
    const { scripted } = fresh();
    scripted.always('trainAdapter', endlessTraining);
    await rig.serving(scripted, async () => {
      const reached = (id: string) => trains(scripted)(`${id}.r0001`);
      const campaigns = await resetEverywhere(workflowTypes.campaign, 'campaign', () => ({ round }), reached);
      await Promise.all(campaigns.map((handle) => handle.cancel()));
      for (const handle of campaigns) await expect(resultOf(handle)).rejects.toThrow(/cancelled/);
      await nothingRunsUnder('campaign');
    });
  });

  it('to any event of a campaign at the gate of its round, and approved: the campaign ends as it should', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const opened = (id: string) => Promise.resolve(ledger.gates.has(gateIdOf(`${id}.r0001`, 'release')));
      const campaigns = await resetEverywhere(
        workflowTypes.campaign,
        'decided',
        (n) => ({ rounds: 1, round: ofTenant(n) }),
        opened,
      );
      for (const handle of campaigns) {
        const roundId = `${handle.workflowId}.r0001`;
        await approveUntilItEnds(handle, roundId);
        expect(await resultOf(handle)).toEqual({ rounds: [roundId], stopped: false });
        expect(ledger.released).toContain(roundId);
      }
      await nothingRunsUnder('decided');
    });
  });
});

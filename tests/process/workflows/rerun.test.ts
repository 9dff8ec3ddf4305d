import { expect, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import {
  gateIdOf,
  queryNames,
  signalNames,
  workflowTypes,
  type GateView,
  type RoundConfigInput,
} from '../../../src/contract/index.js';
import type { FakeLedger } from '../../support/fake-ledger.js';
import { decisionOn, fresh, openGateOf, resultOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';

/** The shortest way to a gate. */
const config = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false, otherSource: false },
} satisfies RoundConfigInput;

describeWithTemporal('a round that ended at its gate', () => {
  const rig = useRig();

  /** Runs the round once to its gate, lets `then` end it there, and runs it again. */
  const twice = async (
    id: string,
    first: (round: WorkflowHandle, gate: GateView) => Promise<unknown>,
    second: (round: WorkflowHandle, ledger: FakeLedger) => Promise<unknown>,
    input: RoundConfigInput = config,
  ): Promise<FakeLedger> => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, id, input);
      await first(round, await openGateOf(round, ledger));
      await resultOf(round).catch(() => undefined);
      await until(
        async () => (await rig.client.getHandle(gateIdOf(id, 'release')).describe()).status.name !== 'RUNNING',
      );
      await second(await rig.start(workflowTypes.round, id, input), ledger);
    });
    return ledger;
  };
  const approve = async (round: WorkflowHandle, ledger: FakeLedger): Promise<unknown> => {
    await round.signal(signalNames.approve, decisionOn(await openGateOf(round, ledger)));
    return resultOf(round);
  };

  it.each([
    ['was cancelled', (round: WorkflowHandle) => round.cancel()],
    ['was terminated', (round: WorkflowHandle) => round.terminate()],
    [
      'had its gate terminated',
      (_: WorkflowHandle, gate: GateView) => rig.client.getHandle(gate.spec.gateId).terminate(),
    ],
  ])('because it %s is asked again, and can be approved and released', async (what, first) => {
    const id = what.replaceAll(' ', '-');
    const ledger = await twice(id, first, async (round, known) => {
      expect(await approve(round, known)).toMatchObject({ gate: 'approved', released: true });
    });
    expect(ledger.instances.resultsOf(gateIdOf(id, 'release'))).toMatchObject([
      { outcome: 'hold' },
      { outcome: 'approved' },
    ]);
    expect(ledger.released).toEqual([id]);
  });

  it('by its deadline is asked again', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const input = { ...config, gate: { deadlineSeconds: 1 } };
      expect(await resultOf(await rig.start(workflowTypes.round, 'held', input))).toMatchObject({ gate: 'hold' });
      expect(await resultOf(await rig.start(workflowTypes.round, 'held', input))).toMatchObject({ gate: 'hold' });
    });
    expect(ledger.instances.resultsOf('held.gate-release')).toHaveLength(2);
  });

  it.each([signalNames.approve, signalNames.reject])('by a decision (%s) is not asked again', async (decision) => {
    const ledger = await twice(
      `final-${decision}`,
      (round, gate) => round.signal(decision, decisionOn(gate)),
      async (round) => {
        const approved = decision === signalNames.approve;
        expect(await resultOf(round)).toMatchObject({ gate: approved ? 'approved' : 'rejected', released: approved });
      },
    );
    expect(ledger.instances.resultsOf(`final-${decision}.gate-release`)).toHaveLength(1);
    expect(ledger.released).toHaveLength(decision === signalNames.approve ? 1 : 0);
  });
});

describeWithTemporal('a reset', () => {
  const rig = useRig();

  const reset = async (workflowId: string, workflowTaskFinishEventId: unknown): Promise<string> => {
    const { runId } = await rig.env.connection.workflowService.resetWorkflowExecution({
      namespace: rig.env.namespace ?? 'default',
      workflowExecution: { workflowId },
      reason: 'a test',
      requestId: `${workflowId} ${String(workflowTaskFinishEventId)}`,
      workflowTaskFinishEventId: workflowTaskFinishEventId as never,
    });
    return runId;
  };
  /** The ids of the events that a workflow can be reset to. */
  const resetPoints = async (handle: WorkflowHandle): Promise<unknown[]> =>
    ((await handle.fetchHistory()).events ?? [])
      .filter((event) => event.workflowTaskCompletedEventAttributes)
      .map(({ eventId }) => eventId);
  const gateEnds = (roundId: string): Promise<true> =>
    until(async () => (await rig.client.getHandle(gateIdOf(roundId, 'release')).describe()).status.name !== 'RUNNING');
  /** The gate that is open now, by its own word; not one that is about to be cancelled. */
  const approveUntil = async (round: WorkflowHandle): Promise<unknown> => {
    let ended = false;
    const result = resultOf(round).finally(() => (ended = true));
    await until(async () => {
      if (ended) return true;
      const [gate] = await round.query<GateView[]>(queryNames.gates).catch(() => []);
      if (gate?.state === 'open') await round.signal(signalNames.approve, decisionOn(gate)).catch(() => undefined);
      return false;
    }, 60);
    return result;
  };

  it('of a round at its gate, then a cancellation, leaves no gate behind', async () => {
    const { scripted, ledger } = fresh();
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'reset-cancel', config);
      await openGateOf(round, ledger);
      const points = await resetPoints(round);
      rig.track('reset-cancel', await reset('reset-cancel', points.at(-1)));
      const again = rig.client.getHandle('reset-cancel');
      await openGateOf(again, ledger);
      await again.cancel();
      await expect(resultOf(again)).rejects.toThrow(/cancelled/i);
      await gateEnds('reset-cancel');
    });
    expect(ledger.released).toEqual([]);
  });

  it.each([0, 1, -2, -1])(
    'of a gate (to event %d) is asked on, and tells what was decided when it runs once more',
    async (at) => {
      const { ledger, scripted } = fresh();
      const id = `gate-reset-${at}`;
      const gateId = gateIdOf(id, 'release');
      await rig.serving(scripted, async () => {
        const round = await rig.start(workflowTypes.round, id, config);
        await openGateOf(round, ledger);
        const gate = rig.client.getHandle(gateId);
        const points = await until(async () => {
          const found = await resetPoints(gate);
          return found.length >= 3 && found;
        });
        rig.track(gateId, await reset(gateId, points.at(at)));
        expect(await approveUntil(round)).toMatchObject({ gate: 'approved', released: true });
        rig.track(gateId, await reset(gateId, (await resetPoints(gate))[0]));
        expect(await resultOf(gate)).toMatchObject({ outcome: 'approved' });
      });
      expect(ledger.released).toEqual([id]);
    },
  );
});

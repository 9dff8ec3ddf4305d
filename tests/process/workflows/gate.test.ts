import { expect, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import {
  queryNames,
  signalNames,
  textDigest,
  type GateView,
  type RoundConfigInput,
} from '../../../src/contract/index.js';
import { workflowTypes } from '../../../src/contract/index.js';
import { decide } from '../../../src/cli/gate/decide.js';
import type { FakeLedger } from '../../support/fake-ledger.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';

/** The shortest way to a gate. */
const shortRound = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false },
} satisfies RoundConfigInput;

describeWithTemporal('the release gate', () => {
  const rig = useRig();

  /** A round that has come to its gate; `then` decides, and the round's result is returned. */
  const decided = async (
    id: string,
    then: (gate: GateView, round: WorkflowHandle, ledger: FakeLedger) => Promise<unknown>,
    config: RoundConfigInput = shortRound,
  ) => {
    const { ledger, scripted } = fresh();
    const result = await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, id, config);
      await then(await openGateOf(round, ledger), round, ledger);
      return resultOf(round);
    });
    const requests = scripted.requests('releasePolicy');
    return { result, ledger, requests };
  };

  it.each(['round', 'gate'] as const)('takes an approval under the id of the %s', async (target) => {
    const { result, ledger } = await decided(`by-${target}`, async (gate, round) => {
      const handle = target === 'round' ? round : rig.client.getHandle(gate.spec.gateId);
      await handle.signal(signalNames.approve, decisionOn(gate));
    });
    expect(result).toMatchObject({ gate: 'approved', released: true });
    expect(ledger.decisions).toMatchObject([{ approver: 'ann', decision: 'approve', counted: true }]);
    expect(ledger.gates.get(`by-${target}.gate-release`)).toMatchObject({ outcome: 'approved' });
  });

  it('takes an approval as soon as the round shows the gate', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'at-once', shortRound);
      let gate: GateView | undefined;
      while (gate === undefined) [gate] = await round.query<GateView[]>(queryNames.gates);
      await round.signal(signalNames.approve, decisionOn(gate));
      const refused = await until(async () => {
        const { rejectedMessages } = await statusOf(round);
        return (ledger.decisions.length > 0 || rejectedMessages.length > 0) && rejectedMessages;
      });
      expect(refused).toEqual([]);
      expect(await resultOf(round)).toMatchObject({ gate: 'approved', released: true });
    });
  });

  it('is decided by the command line, which waits for the verdict', async () => {
    const { result } = await decided('by-cli', async (gate) => {
      const choice = { decision: 'approve', approver: 'ann', note: 'read it', digest: gate.spec.digest } as const;
      const { verdict } = await decide(rig.env.client, 'by-cli', choice);
      expect(verdict).toMatchObject({ approver: 'ann', note: 'read it', counted: true });
    });
    expect(result).toMatchObject({ gate: 'approved', released: true });
  });

  it('takes a reject as a veto', async () => {
    const { result, requests } = await decided(
      'rejected',
      async (gate, round) => {
        await round.signal(signalNames.approve, decisionOn(gate, 'ann'));
        await round.signal(signalNames.reject, { ...decisionOn(gate, 'ben'), note: 'canaries' });
      },
      { ...shortRound, gate: { needed: 2 } },
    );
    expect(result).toMatchObject({
      gate: 'rejected',
      released: false,
      releaseReason: 'not approved: rejected (rejected by ben)',
    });
    // the round forwards both at once, and the server may deliver them in either order
    const veto = expect.objectContaining({ note: 'canaries', counted: true }) as unknown;
    const decisions = expect.arrayContaining([veto]) as unknown;
    expect(requests).toMatchObject([{ gate: { outcome: 'rejected', decisions } }]);
  });

  it('shows a decision for another digest and is not moved by it', async () => {
    const { result, ledger } = await decided('digest', async (gate, round) => {
      await round.signal(signalNames.approve, { ...decisionOn(gate), digest: textDigest('another report') });
      const [view] = await until(async () => {
        const views = await rig.client.getHandle(gate.spec.gateId).query<GateView[]>(queryNames.gates);
        return views[0]?.decisions.length === 1 && views;
      });
      expect(view).toMatchObject({ state: 'open', decisions: [{ counted: false }], uncounted: 1 });
      await round.signal(signalNames.approve, decisionOn(gate));
    });
    expect(result).toMatchObject({ gate: 'approved' });
    expect(ledger.decisions.map((d) => d.counted)).toEqual([false, true]);
  });

  it.each([
    ['hold', 'hold'],
    ['reject', 'rejected'],
  ] as const)('comes to its safe default at the deadline: %s', async (onTimeout, outcome) => {
    const config = { ...shortRound, gate: { deadlineSeconds: 1, onTimeout } };
    const { ledger, scripted } = fresh();
    const result = await rig.serving(scripted, async () =>
      resultOf(await rig.start(workflowTypes.round, `timeout-${onTimeout}`, config)),
    );
    expect(result).toMatchObject({ gate: outcome, released: false });
    expect(ledger.released).toEqual([]);
  });

  it('is on hold when its workflow is terminated', async () => {
    const { result, ledger } = await decided('terminated', (gate) =>
      rig.client.getHandle(gate.spec.gateId).terminate('by an operator'),
    );
    expect(result).toMatchObject({ gate: 'hold', released: false });
    expect(ledger.gates.get('terminated.gate-release')?.reason).toMatch(/ended without a decision: Terminated/);
  });

  it('is on hold when its workflow is cancelled', async () => {
    const { result } = await decided('gate-cancelled', (gate) => rig.client.getHandle(gate.spec.gateId).cancel());
    expect(result).toMatchObject({ gate: 'hold', released: false });
  });

  it('refuses decisions before it is open, with the reason', async () => {
    const { scripted } = fresh();
    scripted.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: '' }));
    const status = await rig.serving(scripted, async () => {
      const early = { gateId: 'too-early.gate-release', digest: textDigest('x'), approver: 'ann' };
      const round = await rig.startWithSignal(workflowTypes.round, 'too-early', shortRound, signalNames.approve, early);
      await resultOf(round);
      return statusOf(round);
    });
    expect(status.rejectedMessages).toMatchObject([{ signal: 'approve', reason: 'no gate of this round is open' }]);
  });
});

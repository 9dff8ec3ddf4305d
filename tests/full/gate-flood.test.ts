import { expect, it } from 'vitest';
import type { Client } from '@temporalio/client';
import { queryNames, signalNames, textDigest, workflowTypes, type GateView } from '../../src/contract/index.js';
import { decide } from '../../src/cli/gate/decide.js';
import { openGates } from '../../src/cli/gate/view.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../support/rig.js';

const config = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false },
};

describeWithTemporal('a gate among many', () => {
  const rig = useRig();
  const clientOf = (): Client => rig.env.client;

  it('is decided at once in a flood of decisions without effect, which costs little history', async () => {
    const { ledger, scripted } = fresh();
    const flood = 1200;
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'flood', config);
      const gate = await openGateOf(round, ledger);
      const handle = rig.client.getHandle(gate.spec.gateId);
      for (let sent = 0; sent < flood; sent += 100) {
        await Promise.all(
          Array.from({ length: 100 }, (_, i) =>
            handle.signal(signalNames.approve, {
              ...decisionOn(gate, `somebody ${sent + i}`),
              digest: textDigest('another report'),
              note: 'n'.repeat(500),
            }),
          ),
        );
      }
      await round.signal(signalNames.approve, decisionOn(gate));
      expect(await resultOf(round)).toMatchObject({ gate: 'approved', released: true });
      const recorded = scripted.requests('recordDecisions').flatMap(({ decisions }) => decisions);
      expect(recorded.filter((decision) => !decision.counted)).toHaveLength(200);
      const [view] = await handle.query<GateView[]>(queryNames.gates);
      expect(view).toMatchObject({ state: 'approved', uncounted: flood });
      expect(scripted.requests('recordDecisions').length).toBeLessThan(60);
      // a signal is one event, and the tasks that hear them take many at once
      const { events } = await handle.fetchHistory();
      expect(events?.length).toBeLessThan(flood * 2);
    });
    expect(ledger.decisions.find(({ counted }) => counted)).toMatchObject({ approver: 'ann' });
  });

  it('passes no endless number of decisions on from its round', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'many', config);
      const gate = await openGateOf(round, ledger);
      const other = { ...decisionOn(gate, 'x'), digest: textDigest('another report') };
      for (let sent = 0; sent < 520; sent += 65) {
        await Promise.all(
          Array.from({ length: 65 }, (_, i) => round.signal(signalNames.approve, { ...other, key: `${sent + i}` })),
        );
      }
      await until(async () => (await statusOf(round)).rejectedMessages.length >= 20);
      expect((await statusOf(round)).rejectedMessages.at(-1)?.reason).toBe(
        'too many decisions came this way: send it to many.gate-release itself',
      );
      await rig.client.getHandle(gate.spec.gateId).signal(signalNames.approve, decisionOn(gate));
      expect(await resultOf(round)).toMatchObject({ released: true });
    });
  });

  it('says that nothing can be released any more once another was, and its approval says so too', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const one = await rig.start(workflowTypes.round, 'one', config);
      const two = await rig.start(workflowTypes.round, 'two', config);
      await openGateOf(one, ledger);
      await openGateOf(two, ledger);
      const choice = { decision: 'approve', approver: 'ann', note: undefined, digest: undefined } as const;
      expect(await decide(clientOf(), 'one', choice)).toMatchObject({ release: { released: true } });
      const blocked = await until(async () => {
        const [view] = await rig.client.getHandle('two.gate-release').query<GateView[]>(queryNames.gates);
        return view?.blocked ?? undefined;
      });
      expect(blocked).toMatch(/^release 1 of one is live under .*, and the policy of two was not compared with it/);
      expect(await decide(clientOf(), 'two', choice)).toMatchObject({
        verdict: { counted: true },
        release: { released: false, reason: blocked },
      });
      // a gate that opens later shows it in its subject
      const three = await rig.start(workflowTypes.round, 'three', config);
      const { spec } = await openGateOf(three, ledger);
      expect(spec.subject).toMatch(/; it cannot be released: release 1 of one is live/);
      await three.signal(signalNames.reject, decisionOn(await openGateOf(three, ledger)));
      await resultOf(three);
    });
    expect(ledger.released).toEqual(['one']);
  });

  it('hides no other when it does not answer', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'answers', config);
      const gate = await openGateOf(round, ledger);
      // a gate on a queue without workers
      const silent = await rig.client.start(workflowTypes.gate, {
        workflowId: 'silent.gate-release',
        taskQueue: 'nobody',
        args: [{}],
      });
      const listed = await until(async () => {
        const found = await openGates({ client: clientOf(), ledger: null });
        return found.length === 2 && found;
      }, 60);
      expect(listed).toContainEqual({ gate: expect.objectContaining({ spec: gate.spec }) as unknown, silence: null });
      expect(listed).toContainEqual({
        gateId: 'silent.gate-release',
        problem: expect.stringContaining('the gate "silent.gate-release" does not answer: no worker answers') as string,
      });
      await silent.terminate();
      await round.signal(signalNames.reject, decisionOn(gate));
      await resultOf(round);
    });
  });
});

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { roundConfigSchema, signalNames, workflowTypes, type RoundConfigInput } from '../../../src/contract/index.js';
import { signalRound } from '../../../src/cli/round/control.js';
import { listRounds, listText } from '../../../src/cli/round/list.js';
import { startRound } from '../../../src/cli/round/start.js';
import { viewText } from '../../../src/cli/round/text.js';
import { viewRound } from '../../../src/cli/round/view.js';
import { watchRound } from '../../../src/cli/round/watch.js';
import { decisionOn, endlessTraining, fresh, openGateOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';
import { failing } from '../../support/scripted-activities.js';

/** The shortest way to a gate. */
const shortRound = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false },
} satisfies RoundConfigInput;

let out: string;
let err: string;
beforeEach(() => {
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += text.toString()), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += text.toString()), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

describeWithTemporal('the command line and a round', () => {
  const rig = useRig();
  const session = () => ({ client: rig.env.client, address: 'here', stack: null, close: () => Promise.resolve() });

  it('watches it: says once that it waits at its gate, and ends well after a release', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const id = 'watch me';
      const round = await rig.start(workflowTypes.round, id, shortRound);
      const watched = watchRound(session(), id, false);
      const gate = await openGateOf(round, ledger);
      await until(() => Promise.resolve(err.includes('gate approve')));
      await new Promise((resolve) => setTimeout(resolve, 5000));
      await round.signal(signalNames.approve, decisionOn(gate));
      await watched;
      expect(err.match(/waits at/g)).toHaveLength(1);
      expect(err).toContain("npx selkie gate approve 'watch me' --as NAME");
      expect(out).toContain('released        yes');
      expect(process.exitCode).toBeUndefined();
      expect(await viewRound(rig.env.client, id)).toMatchObject({ released: true, silence: null, failure: null });
    });
  });

  it('watches it: one that releases nothing ends with 1', async () => {
    const { scripted } = fresh();
    scripted.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: 'no lines' }));
    await rig.serving(scripted, async () => {
      await rig.start(workflowTypes.round, 'nothing', shortRound);
      await watchRound(session(), 'nothing', true);
      const lines = out.trim().split('\n');
      expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ execution: 'COMPLETED', released: false });
      expect(process.exitCode).toBe(1);
    });
  });

  it('pauses it, lets it go on, stops and cancels it, and lists it', async () => {
    const { scripted } = fresh();
    scripted.always('trainAdapter', endlessTraining);
    const { client } = rig.env;
    await rig.serving(scripted, async () => {
      await rig.start(workflowTypes.round, 'told', shortRound);
      expect(await signalRound(client, 'told', 'pause')).toBe('told: paused');
      expect(await viewRound(client, 'told')).toMatchObject({ status: { paused: true }, stageTrials: { done: 0 } });
      expect(await signalRound(client, 'told', 'resume')).toBe('told: continues');
      expect(await signalRound(client, 'told', 'stop')).toBe('told: stops: what is in flight ends first');
      const running = await until(async () => {
        const rounds = await listRounds({ client, ledger: null }, { running: true, limit: 5 });
        return rounds.length > 0 && rounds;
      });
      expect(running).toMatchObject([{ roundId: 'told', execution: 'RUNNING', closedAt: null }]);
      expect(listText(running)).toContain('told');
      expect(await signalRound(client, 'told', 'cancel')).toContain('`npx selkie round watch told`');
      await until(async () => (await viewRound(client, 'told')).execution === 'CANCELLED');
      await expect(signalRound(client, 'told', 'pause')).rejects.toThrow('"told" has ended: cancelled');
      await expect(signalRound(client, 'nobody', 'stop')).rejects.toThrow('there is no round "nobody"');
      await expect(viewRound(client, 'nobody')).rejects.toThrow('`npx selkie round list` shows them');
      expect(await listRounds({ client, ledger: null }, { running: false, limit: 1 })).toHaveLength(1);
    });
  });

  it.each(['a b', 'x$(touch y)', "it's", 'x;y', 'ro\u200bot', '-x', 'x'.repeat(1000), 'demo.x.gate-release'])(
    'starts none under the id %s',
    async (id) => {
      const starting = startRound(session(), id, roundConfigSchema.parse(shortRound));
      await expect(starting).rejects.toMatchObject({ name: 'CliError', exitCode: 2 });
    },
  );

  it('says once why it failed', async () => {
    const { scripted } = fresh();
    scripted.always(
      'claimRound',
      failing('InvalidConfig', { message: 'the corpus "x" cannot be used: there is no x' }),
    );
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'bad', shortRound);
      await round.result().catch(() => undefined);
      const text = viewText(await viewRound(rig.env.client, 'bad'));
      expect(text.match(/there is no x/g)).toHaveLength(1);
      expect(text).not.toContain('Activity task failed');
    });
  });
});

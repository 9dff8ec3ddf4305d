import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/main.js';
import { policyAlias, roundConfigSchema } from '../../../src/contract/index.js';
import { askedRightly } from '../../support/asked.js';
import { reward, small, useControlRig } from '../../support/control-rig.js';

// What the command line shows of rounds, gates and releases where no worker answers, nor even Temporal.
const rig = useControlRig();
const readModel = () => rig.ledger.readModel;

const stageOf = async (roundId: string): Promise<string | undefined> => (await readModel().round(roundId))?.stage;
const approval = (gateId: string, approver: string, counted = true) => ({
  gateId,
  decisions: [
    {
      approver,
      decision: 'approve' as const,
      note: null,
      key: approver,
      atMs: 1,
      counted,
      reason: counted ? '' : 'late',
    },
  ],
});

describe('the ledger alone', () => {
  it('knows the stage of a round from its first step to its release, and what it has tried', async () => {
    const roundId = 'stages';
    await rig.prepare(roundId, small);
    expect(await readModel().round(roundId)).toMatchObject({ stage: 'preparing', status: 'running', closedAt: null });
    const planned = await rig.planned(roundId, 'edits');
    expect(await stageOf(roundId)).toBe('trials');
    for (const spec of planned) {
      await rig.propose(spec);
      await rig.score(spec, 1, 1, reward(1));
    }
    await rig.activities.selectEdits({ roundId });
    expect(await stageOf(roundId)).toBe('selecting');
    await rig.trainPolicy(roundId);
    expect(await stageOf(roundId)).toBe('confirming');
    const { releaseDigest } = await rig.activities.buildReport({ roundId });
    expect(await stageOf(roundId)).toBe('examining');
    // an attempt of an earlier stage that comes late
    await rig.activities.planTrials({ roundId, purpose: 'edits' });
    expect(await stageOf(roundId)).toBe('examining');
    await rig.activities.openGate(await rig.gateOf(roundId, releaseDigest));
    expect(await stageOf(roundId)).toBe('gate');
    const gate = await rig.decide(roundId, releaseDigest, 'approved');
    expect(await rig.activities.releasePolicy({ roundId, gate })).toMatchObject({ released: true });
    expect(await stageOf(roundId)).toBe('releasing');
    await rig.close(roundId, 'completed', 'released');
    expect(await readModel().round(roundId)).toMatchObject({
      stage: 'done',
      status: 'completed',
      reason: 'released',
      trials: { planned: planned.length, recorded: planned.length, outcomes: { scored: planned.length } },
      gateId: gate.gateId,
      releaseId: expect.any(Number) as number,
    });
  });

  it('shows an open gate with the decisions so far, and no longer once it is closed', async () => {
    const roundId = 'waits';
    const digest = await rig.reported(roundId, { ...small, gate: { needed: 2 } });
    const spec = await rig.gateOf(roundId, digest);
    const asRun = askedRightly(rig.bare, 'run-1');
    await asRun.openGate(spec);
    await asRun.recordDecisions(approval(spec.gateId, 'ann'));
    await asRun.recordDecisions(approval(spec.gateId, 'eve', false));
    const open = await readModel().openGates();
    expect(open).toMatchObject([
      { instance: 1, view: { spec, state: 'open', approvals: 1, uncounted: 1, decisions: [{}, {}] } },
    ]);
    const none = { uncounted: 0, malformed: 0, decisions: [], reason: 'left' };
    await asRun.closeGate({ gateId: spec.gateId, digest, outcome: 'hold', ...none });
    expect(await readModel().openGates()).toEqual([]);
    expect(await readModel().gate(spec.gateId)).toMatchObject({ view: { state: 'hold', reason: 'left' } });
  });

  it('knows what is live, since when and by which decisions', async () => {
    const roundId = 'live.r1';
    const input = { ...small, tenant: 'live', gate: { trust: 'unsigned' as const } };
    const gate = await rig.decide(roundId, await rig.reported(roundId, input), 'approved');
    await rig.activities.releasePolicy({ roundId, gate });
    const alias = policyAlias(roundConfigSchema.parse(input));
    expect(await readModel().releases(alias)).toMatchObject([
      { alias, roundId, live: true, gateInstance: 1, decisions: [{ approver: 'ann', counted: true }] },
    ]);
  });
});

describe('the command line without Temporal', () => {
  let out: string;
  beforeEach(() => {
    out = '';
    vi.stubEnv('DATABASE_URL', rig.databaseUrl);
    vi.stubEnv('TEMPORAL_ADDRESS', '127.0.0.1:9');
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += text.toString()), true));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });
  const shown = async (...line: string[]): Promise<unknown> => {
    out = '';
    expect(await run([...line, '--json'])).toBe(0);
    return JSON.parse(out);
  };

  it('lists and shows rounds, gates and releases', { timeout: 120_000 }, async () => {
    const roundId = 'shown';
    const spec = await rig.gateOf(roundId, await rig.reported(roundId, { ...small, gate: { needed: 2 } }));
    await rig.activities.openGate(spec);
    await rig.activities.recordDecisions(approval(spec.gateId, 'ann'));
    expect(await shown('round', 'list', '--running')).toContainEqual(
      expect.objectContaining({ roundId, execution: null, stage: 'gate' }),
    );
    expect(await shown('gate', 'list')).toMatchObject([{ spec, approvals: 1, silence: 'Temporal does not answer' }]);
    expect(await shown('gate', 'show', roundId)).toMatchObject({ state: 'open', decisions: [{ approver: 'ann' }] });
    expect(await shown('round', 'show', roundId)).toMatchObject({
      stage: 'gate',
      gate: { gate: { approvals: 1 }, silence: 'Temporal does not answer' },
      release: null,
    });
    expect(await shown('release', 'list', '--live')).toMatchObject([{ live: true }, { live: true }]);
    expect(await shown('release', 'show', '1')).toMatchObject({ releaseId: 1, decisions: [{ approver: 'ann' }] });
    expect(await run(['release', 'show', '99'])).toBe(4);
    expect(await run(['round', 'show', 'nobody'])).toBe(4);
  });
});

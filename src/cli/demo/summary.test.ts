import { describe, expect, it } from 'vitest';
import { roundResultSchema } from '../../contract/index.js';
import { buildDemoSummary, demoSummarySchema } from './summary.js';

const round = (roundId: string, chosenOnB: number | null) =>
  roundResultSchema.parse({
    roundId,
    trials: { scored: 16, invalid_edit: 2 },
    selected: 5,
    policy: null,
    gate: null,
    released: false,
    releaseReason: 'no edit was chosen',
    heldOut: {
      before: 0.25,
      after: null,
      sources: 4,
      questions: 12,
      cells: { oldOld: 0.25, oldNew: null, newOld: null, newNew: null },
    },
    arms: {
      base: 0.1,
      inContext: 0.5,
      rawPassage: null,
      selfEditMean: 0.2,
      chosenOnB,
      otherSourceControl: 0.1,
    },
    canaries: { asked: 0, rightBefore: 0, rightAfter: null, lost: null },
    warnings: [],
    deviceSeconds: 90,
    report: {
      uri: `artifact:sha256/${'a'.repeat(64)}`,
      sha256: 'a'.repeat(64),
      bytes: 1,
      mediaType: 'application/json',
    },
  });
const measures = {
  wallSeconds: 300,
  installSeconds: 0,
  peakMemoryBytes: 2 ** 31,
  secondsPerEdit: 7.5,
  temporalUi: 'http://127.0.0.1:8233',
};

describe('buildDemoSummary', () => {
  it('has the promised form, with each arm averaged over the rounds that ran it', () => {
    const summary = buildDemoSummary([round('demo.x.r0001', 0.3), round('demo.x.r0002', null)], measures);
    expect(demoSummarySchema.parse(summary)).toEqual(summary);
    expect(summary.arms).toMatchObject({ base: 0.1, rawPassage: null, chosenOnB: 0.3 });
    expect(summary.rounds.map(({ id, workflowId }) => [id, workflowId])).toEqual([
      ['demo.x.r0001', 'demo.x.r0001'],
      ['demo.x.r0002', 'demo.x.r0002'],
    ]);
    expect(summary.rounds[0]).toMatchObject({ trials: { scored: 16, invalid_edit: 2 }, selected: 5, released: false });
    expect(summary.rounds[0]?.heldOut).toEqual({ before: 0.25, after: null, sources: 4, questions: 12 });
  });

  it('says of a demo without a round that nothing was measured', () => {
    expect(buildDemoSummary([], measures).arms.base).toBeNull();
  });
});

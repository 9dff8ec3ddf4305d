import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  emptyResult,
  roundConfigSchema,
  textDigest,
  type ActivityResult,
  type ArtifactRef,
  type TrialSpec,
} from '../../../src/contract/index.js';
import { Ledger, migrate } from '../../../src/ledger/index.js';
import type { TrialRecord } from '../../../src/seal/records.js';
import { select } from '../../../src/seal/select.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';

// Rows that another version of Selkie wrote: with fields that this one does not know, and without fields that it added.

const roundId = 'kept';
const spec: TrialSpec = {
  version: 1,
  trialId: `${roundId}.edits.s00.e0000`,
  roundId,
  purpose: 'edits',
  index: 0,
  sourceId: 'doc',
  edit: { kind: 'passage', matchedTo: null },
  recipe: 'edit',
  learner: 'old',
  repeat: 0,
  trainingSeed: 1,
  asks: { mode: 'closedBook', splits: ['A'], otherSource: false, canaries: false },
};
const result = {
  ...emptyResult(spec.trialId, 'scored', ''),
  evaluation: {
    a: { questions: 2, means: { match: 0.5 } },
    b: null,
    otherSource: null,
    canaries: null,
    reward: { gain: 0.5, penalty: 0, total: 0.5 },
  },
};
const record: TrialRecord = {
  ...spec,
  outcome: 'scored',
  rewards: [result.evaluation.reward],
  editDigest: null,
  canariesLost: null,
};
const selection = select([record], { rule: 'gain', minimum: 0, maxCanariesLost: 1 });
const sha256 = textDigest('report');
const report: ArtifactRef = { uri: `artifact:sha256/${sha256}`, sha256, bytes: 1, mediaType: 'application/json' };
const summary: ActivityResult<'buildReport'> = {
  version: 1,
  report,
  releaseDigest: textDigest('release'),
  trials: { scored: 1 },
  arms: { base: 0.1, inContext: 0.5, rawPassage: 0.2, selfEditMean: 0.2, chosenOnB: 0.3, otherSourceControl: 0.1 },
  heldOut: {
    before: null,
    after: null,
    sources: 0,
    questions: 0,
    cells: { oldOld: null, oldNew: null, newOld: null, newNew: null },
  },
  canaries: { asked: 0, rightBefore: 0, rightAfter: null, lost: null },
  warnings: [],
  deviceSeconds: 1,
  markdown: '',
};

let postgres: TestPostgres;
let ledger: Ledger;
let client: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase('documents');
  await migrate(url);
  ledger = await Ledger.connect(url);
  client = new pg.Client(url);
  await client.connect();
  await ledger.rounds.claim({ roundId, config: roundConfigSchema.parse({}), configDigest: textDigest('config') });
  await ledger.trials.plan([{ spec, shard: 0, result }]);
  await ledger.selections.insert(roundId, selection);
  await ledger.reports.insert(roundId, summary);
});
afterAll(async () => {
  await client.end();
  await ledger.close();
  await postgres.stop();
});

const read = async () => ({
  trial: await ledger.trials.get(spec.trialId),
  selection: await ledger.selections.get(roundId),
  report: await ledger.reports.get(roundId),
});

/** Changes a document at a path, `{}` being its top. */
const change = (table: string, column: string, path: string, value: unknown) =>
  client.query(`update ${table} set ${column} = jsonb_set(${column}, $1::text[], $2::jsonb)`, [
    path,
    JSON.stringify(value),
  ]);

describe('a stored document', () => {
  it('is read without the fields that a later writer added, and with defaults for those that came after it', async () => {
    const before = await read();
    expect(before).toMatchObject({ trial: { spec, result }, selection, report: summary });
    await change('trials', 'spec', '{edit,later}', 1);
    await change('trials', 'result', '{evaluation,later}', { judges: [] });
    await change('trials', 'result', '{later}', 1);
    await change('selections', 'selection', '{candidates,0,later}', 1);
    await change('selections', 'selection', '{later}', 1);
    await change('trials', 'spec', '{asks,later}', 1);
    await change('reports', 'summary', '{heldOut,later}', 1);
    await change('reports', 'summary', '{later}', [1]);
    await client.query(`update trials set result = result - 'version'`);
    await client.query(`update selections set selection = selection - 'version'`);
    await client.query(`update reports set summary = summary - 'version'`);
    expect(await read()).toEqual(before);
  });

  it('keeps an arm that this version does not know', async () => {
    await change('reports', 'summary', '{arms,later}', 0.4);
    expect((await ledger.reports.get(roundId))?.arms).toEqual({ ...summary.arms, later: 0.4 });
  });

  it('is refused in a version that this code cannot read', async () => {
    await change('selections', 'selection', '{version}', 2);
    await expect(ledger.selections.get(roundId)).rejects.toThrow(/version/);
  });
});

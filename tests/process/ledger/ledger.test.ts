import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  emptyResult,
  roundConfigSchema,
  textDigest,
  type ModelRef,
  type TrialSpec,
} from '../../../src/contract/index.js';
import { Ledger, migrate, type Answer, type Proposal } from '../../../src/ledger/index.js';
import { startLedger, type TestLedger } from '../../support/postgres.js';

let test: TestLedger;
let ledger: Ledger;
beforeAll(async () => {
  test = await startLedger(20);
  ({ ledger } = test);
});
afterAll(() => test.stop());

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
const base: ModelRef = { base: 'tiny', baseDigest: textDigest('base'), stack: [] };

async function claimRound(roundId: string): Promise<void> {
  await ledger.rounds.claim({ roundId, config: roundConfigSchema.parse({}), configDigest: textDigest('config') });
}

function spec(roundId: string, index: number): TrialSpec {
  return {
    version: 1,
    trialId: `${roundId}.edits.s00.e${index}`,
    roundId,
    purpose: 'edits',
    index,
    sourceId: 'doc',
    edit: { kind: 'propose', writer: 'old', template: 'self-qa', seed: index },
    recipe: 'edit',
    learner: 'old',
    repeat: 0,
    trainingSeed: index,
    asks: { mode: 'closedBook', splits: ['A', 'B'], otherSource: false, canaries: true },
  };
}

const proposal = (text: string): Proposal => ({
  proposalKey: textDigest('proposal'),
  editDigest: textDigest(text),
  sourceId: 'doc',
  template: 'self-qa',
  seed: 2 ** 47 - 1,
  writer: base,
  prompts: [{ kind: 'chat', messages: [{ role: 'user', content: 'write' }] }],
  completions: [text],
  invalidReason: null,
  directivesProposed: { epochs: 999 },
  directivesUsed: { epochs: 30 },
  clamps: [{ field: 'epochs', proposed: 999, used: 30 }],
  examples: [{ text }],
  tokens: 12,
});

describe('migrate', () => {
  it('runs once, however many processes start together and however often', async () => {
    const url = await test.postgres.createDatabase('migrations');
    const ran = await Promise.all(times(4, () => migrate(url)));
    const files = await readdir(new URL('../../../src/ledger/migrations', import.meta.url));
    expect(ran.flat()).toEqual(files.map((file) => file.replace(/\.sql$/, '')).sort());
    expect(await migrate(url)).toEqual([]);
  });

  it('names the server that does not answer', async () => {
    await expect(Ledger.connect('postgres://nobody:x@127.0.0.1:1/none')).rejects.toThrow(/127\.0\.0\.1.*DATABASE_URL/);
  });
});

describe('the first write wins', () => {
  it('for an id: 20 claims at once leave one configuration, which all are told', async () => {
    const claims = await Promise.all(
      times(20, (i) =>
        ledger.rounds.claim({
          roundId: 'contested',
          config: roundConfigSchema.parse({ seed: i }),
          configDigest: textDigest(String(i)),
        }),
      ),
    );
    expect(new Set(claims.map(({ configDigest }) => configDigest)).size).toBe(1);
    expect(textDigest(String(claims[0]?.config.seed))).toBe(claims[0]?.configDigest);
  });

  it('for an outcome: 20 writers at once are told the same', async () => {
    await claimRound('outcomes');
    await ledger.trials.plan([{ spec: spec('outcomes', 0), shard: 0, result: null }]);
    const { trialId } = spec('outcomes', 0);
    const recorded = await Promise.all(
      times(20, (i) =>
        ledger.trials.record(
          { ...emptyResult(trialId, i % 2 === 0 ? 'infra_failure' : 'cancelled', `writer ${i}`), deviceSeconds: i },
          0,
          null,
        ),
      ),
    );
    expect(new Set(recorded.map((result) => result?.reason)).size).toBe(1);
    expect((await ledger.trials.get(trialId)).result).toEqual(recorded[0]);
  });

  it('for a completion', async () => {
    const stored = await Promise.all(times(20, (i) => ledger.completions.insert('step', { text: `${i}`, tokens: i })));
    expect(new Set(stored.map(({ text }) => text)).size).toBe(1);
    expect(await ledger.completions.find(['step', 'never asked'])).toEqual(new Map([['step', stored[0]]]));
  });

  it('for a proposal and its answers', async () => {
    const stored = await Promise.all(times(20, (i) => ledger.proposals.insert(proposal(`edit ${i}`))));
    expect(new Set(stored.map(({ editDigest }) => editDigest)).size).toBe(1);
    expect(stored[0]).toEqual(proposal(stored[0]?.completions[0] ?? ''));

    const answer = (item: number, said: string): Answer => ({
      modelDigest: textDigest('model'),
      itemDigest: textDigest(`item ${item}`),
      arm: 'closedBook',
      grader: 'test/1',
      itemId: `i${item}`,
      sourceId: null,
      item: { question: 'Who?' },
      answer: said,
      scores: { match: 0, f1: 0.5, logLikelihood: null },
    });
    // each writer in another order: writers of the same rows must not deadlock
    const batches = await Promise.all(
      times(20, (i) => {
        const batch = times(30, (item) => answer(item, `writer ${i}`));
        return ledger.answers.insert(i % 2 === 0 ? batch : batch.reverse());
      }),
    );
    expect(batches[0]?.map(({ itemId }) => itemId)).toEqual(times(30, (item) => `i${item}`));
    expect(batches[1]?.map(({ itemId }) => itemId)).toEqual(times(30, (item) => `i${29 - item}`));
    const said = batches.map((batch) => new Map(batch.map(({ itemId, answer }) => [itemId, answer])));
    for (const one of said) expect(one).toEqual(said[0]);
    const digests = [textDigest('item 0'), textDigest('item 29'), textDigest('never asked')];
    expect(await ledger.answers.find(textDigest('model'), digests, 'closedBook', 'test/1')).toHaveLength(2);
    expect(await ledger.answers.find(textDigest('model'), digests, 'inContext', 'test/1')).toHaveLength(0);
    const unread = { ...answer(0, ''), arm: 'inContext' as const, answer: null };
    expect(await ledger.answers.insert([unread])).toMatchObject([{ answer: null }]);
  });
});

describe('trials', () => {
  it('show a candidate the siblings planned before it', async () => {
    await claimRound('siblings');
    await ledger.trials.plan(times(3, (i) => ({ spec: spec('siblings', i), shard: 0, result: null })));
    const { proposalKey } = await ledger.proposals.insert(proposal('sibling'));
    const siblings = { roundId: 'siblings', sourceId: 'doc', purpose: 'edits' };
    await ledger.trials.setProposal(spec('siblings', 1).trialId, proposalKey, null);
    await ledger.trials.setProposal(spec('siblings', 1).trialId, null, null);
    expect(await ledger.proposals.siblings({ ...siblings, before: 1, writer: null })).toEqual([]);
    expect(await ledger.proposals.siblings({ ...siblings, before: 2, writer: 'new' })).toEqual([]);
    const [sibling] = await ledger.proposals.siblings({ ...siblings, before: 2, writer: 'old' });
    expect(sibling).toMatchObject({ index: 1, trialId: spec('siblings', 1).trialId, proposalKey });
  });

  it('say which trial is not there', async () => {
    await expect(ledger.trials.get('no.such')).rejects.toThrow('the ledger has no trial no.such');
    await expect(ledger.trials.setScreen('no.such', { verdict: 'allow', outcome: null, reason: '' })).rejects.toThrow(
      'the ledger has no trial no.such',
    );
  });
});

describe('what a model wrote', () => {
  it('is kept even where Postgres could not hold it as it is', async () => {
    const odd = { ...proposal('nul \0, half a pair \ud83d, whole \u{1f9ad}'), proposalKey: textDigest('odd') };
    const stored = await ledger.proposals.insert(odd);
    expect(stored.completions).toEqual(['nul \ufffd, half a pair \ufffd, whole \u{1f9ad}']);
  });
});

describe('a transaction', () => {
  it('leaves nothing behind when it fails, and its connection is usable', async () => {
    await expect(
      ledger.transaction(async (queries) => {
        await queries.rounds.claim({
          roundId: 'undone',
          config: roundConfigSchema.parse({}),
          configDigest: textDigest('x'),
        });
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    await expect(ledger.rounds.get('undone')).rejects.toThrow('the ledger has no round undone');
  });
});

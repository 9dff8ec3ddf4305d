import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  canonicalDigest,
  roundConfigSchema,
  searchAttributes,
  textDigest,
  type Purpose,
} from '../../../src/contract/index.js';
import { document, documents, model, small, useControlRig } from '../../support/control-rig.js';

const rig = useControlRig();

describe('claimRound', () => {
  it('takes an id once, and tells which search attributes the server has', async () => {
    const config = roundConfigSchema.parse(small);
    const claim = { roundId: 'claimed', config, configDigest: canonicalDigest(config), startedAtMs: 7 };
    expect(await rig.activities.claimRound(claim)).toEqual({ searchAttributes: ['SealTenant'], run: 1 });
    expect(Object.keys(searchAttributes)).toContain('SealTenant');
    expect(await rig.activities.claimRound(claim)).toEqual({ searchAttributes: ['SealTenant'], run: 1 });
    const other = { ...claim, config: { ...config, requestedBy: 'ben', seed: 9 }, configDigest: textDigest('another') };
    await expect(rig.activities.claimRound(other)).rejects.toMatchObject({
      type: 'RoundIdTaken',
      nonRetryable: true,
      message: expect.stringMatching(
        new RegExp(`${claim.configDigest}.*${other.configDigest}.*differs in seed, requestedBy`),
      ) as string,
    });
  });

  it('refuses more trials than a round can hold', async () => {
    const config = roundConfigSchema.parse({ sources: { train: 80_000 }, editsPerSource: 2 });
    await expect(
      rig.activities.claimRound({ roundId: 'huge', config, configDigest: canonicalDigest(config), startedAtMs: 7 }),
    ).rejects.toMatchObject({ type: 'InvalidConfig', message: expect.stringContaining('at most 80000') as string });
  });
});

describe('prepareRound', () => {
  it('freezes the corpus once: what changes on disk later changes nothing', async () => {
    const path = join(rig.folder, 'changing.json');
    await writeFile(path, JSON.stringify(documents));
    const before = await rig.prepare('frozen', { ...small, corpus: path, sources: { train: 1, heldOut: 2 } });
    expect(before).toMatchObject({ trainSources: 1, heldOutSources: 2, questionsA: 2, questionsB: 2, canaries: 2 });
    await writeFile(path, JSON.stringify([document('other', 'train')]));
    expect(await rig.activities.prepareRound({ roundId: 'frozen', model })).toEqual(before);
    expect(await rig.ledger.corpora.roundSources('frozen', 'train')).toEqual([documents[0]]);
  });

  it('lists every problem of a corpus', async () => {
    const corpus = join(rig.folder, 'broken');
    await mkdir(corpus);
    await writeFile(join(corpus, 'a.json'), JSON.stringify(documents));
    await writeFile(join(corpus, 'canaries.jsonl'), '{"question":"ok?","answer":"yes"}\n{"question":\n');
    await writeFile(join(corpus, 'frozen.json'), '[{"question":"no answer?"}]');
    const refused = rig.prepare('broken', { corpus });
    await expect(refused).rejects.toMatchObject({ type: 'InvalidCorpus', nonRetryable: true });
    await expect(refused).rejects.toThrow(/canaries\.jsonl, line 2: is not JSON/);
    await expect(refused).rejects.toThrow(/frozen\.json, question 1: is no question with an answer: write/);
    await expect(rig.prepare('absent', { corpus: join(rig.folder, 'no such file') })).rejects.toThrow(
      /cannot read it.*ENOENT/,
    );
  });

  it('refuses a corpus without a document that can be used', async () => {
    const corpus = join(rig.folder, 'bare.json');
    await writeFile(corpus, JSON.stringify([{ ...document('bare', 'train'), items: [] }]));
    await expect(rig.prepare('bare', { corpus })).rejects.toThrow(/has no document to train on/);
  });

  it('reads a corpus under the roots alone', async () => {
    for (const corpus of ['/etc/passwd', '../../etc/passwd', '/dev/zero']) {
      await expect(rig.prepare(`outside ${corpus}`, { corpus })).rejects.toMatchObject({
        type: 'InvalidCorpus',
        nonRetryable: true,
        message: expect.stringContaining('outside of the folders') as string,
      });
    }
  });

  it('keeps all references of a question, and runs without a document that is too long', async () => {
    const corpus = join(rig.folder, 'long.json');
    const [first] = documents;
    if (first === undefined) throw new Error('no document');
    const several = {
      ...first,
      items: first.items.map((item) => ({
        ...item,
        content: { ...item.content, otherAnswers: ['another', 'a third'] },
      })),
    };
    const long = { ...document('long', 'train'), content: { title: 'long', text: 'word '.repeat(2000) } };
    await writeFile(corpus, JSON.stringify([several, long, ...documents.slice(1)]));
    const prepared = await rig.prepare('long', { ...small, corpus, sources: { train: 10, heldOut: 2 } });
    expect(prepared).toMatchObject({ trainSources: 2, heldOutSources: 2 });
    expect(prepared.notes).toEqual([expect.stringMatching(/^left out 4 × is too long.*: long \(long\)$/)]);
    // the same from the ledger, for an attempt whose predecessor's answer was lost
    expect(await rig.activities.prepareRound({ roundId: 'long', model })).toEqual(prepared);
    expect(await rig.ledger.corpora.roundSources('long', 'train')).toEqual([several, documents[1]]);
  });
});

describe('planTrials', () => {
  it('is the same plan again, one candidate of every document before a second', async () => {
    await rig.prepare('planned', { ...small, templates: ['self-qa', 'rewrite'] });
    const request = { roundId: 'planned', purpose: 'edits' as const };
    expect(await rig.activities.planTrials(request)).toEqual({ trials: 4, skipped: 0, shards: 1 });
    const first = await rig.planned('planned', 'edits');
    expect(await rig.planned('planned', 'edits')).toEqual(first);
    expect(first.map(({ sourceId }) => sourceId)).toEqual(['d1', 'd2', 'd1', 'd2']);
    expect(first.map(({ edit }) => (edit.kind === 'propose' ? edit.template : null))).toEqual([
      'self-qa',
      'self-qa',
      'rewrite',
      'rewrite',
    ]);
    expect(first[3]?.trialId).toBe('planned.edits.s00.e0003');
    expect(new Set(first.map(({ trainingSeed }) => trainingSeed)).size).toBe(4);
  });

  it('records what is over the cap as skipped, with the reason', async () => {
    await rig.prepare('capped', { ...small, caps: { maxEditsPerRound: 3 } });
    expect(await rig.activities.planTrials({ roundId: 'capped', purpose: 'edits' })).toEqual({
      trials: 3,
      skipped: 1,
      shards: 1,
    });
    expect(await rig.planned('capped', 'edits')).toHaveLength(3);
    const { result } = await rig.ledger.trials.get('capped.edits.s00.e0003');
    expect(result).toMatchObject({ outcome: 'skipped', reason: 'over caps.maxEditsPerRound (3)' });
  });

  it('gives later rounds other candidates and the same examination', async () => {
    const seedsOf = async (roundId: string, purpose: Purpose) =>
      (await rig.planned(roundId, purpose)).map(({ edit, trainingSeed }) => [
        edit.kind === 'propose' && edit.seed,
        trainingSeed,
      ]);
    await rig.prepare('seeds.r0001', small);
    await rig.prepare('seeds.r0002', { ...small, earlierRounds: ['seeds.r0001'] });
    expect(await seedsOf('seeds.r0002', 'examine')).toEqual(await seedsOf('seeds.r0001', 'examine'));
    const [first, second] = [await seedsOf('seeds.r0001', 'edits'), await seedsOf('seeds.r0002', 'edits')];
    expect(first.some(([seed]) => second.some(([other]) => seed === other))).toBe(false);
  });

  it('plans what each purpose has: all candidates, and no examination without held-out documents', async () => {
    await rig.prepare('sharded', { ...small, editsPerSource: 64, sources: { train: 2, heldOut: 0 } });
    expect(await rig.activities.planTrials({ roundId: 'sharded', purpose: 'edits' })).toMatchObject({
      trials: 128,
      shards: 1,
    });
    expect(await rig.activities.planTrials({ roundId: 'sharded', purpose: 'examine' })).toEqual({
      trials: 0,
      skipped: 0,
      shards: 0,
    });
  });
});

describe('any control activity', () => {
  it('refuses what does not parse, or is not there, for good', async () => {
    await expect(rig.activities.planTrials({ roundId: '' } as never)).rejects.toMatchObject({
      type: 'InvalidRequest',
      nonRetryable: true,
      message: expect.stringMatching(/planTrials: .*roundId.*purpose/) as string,
    });
    await expect(rig.activities.selectEdits({ roundId: 'nowhere' })).rejects.toMatchObject({
      type: 'InvalidRequest',
      message: 'the ledger has no round nowhere',
    });
  });
});

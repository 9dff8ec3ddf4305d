import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { knowledgeBaseSchema, snapshotDigest } from '../../../src/contract/index.js';
import type { Ledger } from '../../../src/ledger/index.js';
import { startLedger, type TestLedger } from '../../support/postgres.js';

let server: TestLedger;
let ledger: Ledger;
beforeAll(async () => {
  server = await startLedger();
  ledger = server.ledger;
});
afterAll(() => server.stop());

const passage = (passageId: string, text: string) => ({
  passageId,
  path: 'a.md',
  title: `Title of ${passageId}`,
  text,
});
const take = (name: string, passages: ReturnType<typeof passage>[]) =>
  ledger.transaction(async ({ knowledgeBases }) => {
    await knowledgeBases.lock({ tenant: 'demo', name });
    return knowledgeBases.take({ tenant: 'demo', name }, passages);
  });

describe('a knowledge base', () => {
  it('keeps the first write of each version, and the latest version is in force', async () => {
    const key = { tenant: 'demo', name: 'handbook' };
    expect(await ledger.knowledgeBases.latest(key)).toBeNull();
    const write = (version: number, source: string) =>
      ledger.knowledgeBases.set({
        ...key,
        version,
        definition: knowledgeBaseSchema.parse({ sources: [source] }),
        setBy: 'ann',
      });
    expect((await write(1, 'one')).written).toBe(true);
    expect(await write(1, 'other')).toMatchObject({ written: false, stored: { definition: { sources: ['one'] } } });
    await write(2, 'two');
    expect(await ledger.knowledgeBases.latest(key)).toMatchObject({ version: 2, definition: { sources: ['two'] } });
    expect(await ledger.knowledgeBases.list()).toMatchObject([{ ...key, version: 2 }]);
  });
});

describe('a snapshot', () => {
  it('is taken once for the same passages', async () => {
    const passages = [passage('a', 'One.'), passage('b', 'Two.')];
    const { taken, snapshot } = await take('pages', passages);
    expect(taken).toBe(true);
    expect(snapshot).toMatchObject({ number: 1, snapshotDigest: snapshotDigest(passages), passages: 2 });
    expect(await take('pages', [...passages].reverse())).toEqual({ taken: false, snapshot });
    expect(await ledger.knowledgeBases.passages(snapshot.snapshotDigest)).toEqual(passages);
  });

  it('stays as it is when a later one is taken', async () => {
    const [first, second] = [[passage('a', 'One.')], [passage('a', 'Other.'), passage('c', 'New.')]];
    const { snapshot } = await take('versions', first);
    await take('versions', second);
    expect(await ledger.knowledgeBases.passages(snapshot.snapshotDigest)).toEqual(first);
    const latest = await ledger.knowledgeBases.latestSnapshot({ tenant: 'demo', name: 'versions' });
    expect(latest).toMatchObject({ number: 2, passages: 2 });
    expect(await ledger.knowledgeBases.passages(latest?.snapshotDigest ?? '')).toEqual(second);
    // back to the earlier content: a new number for a digest that is there
    expect((await take('versions', first)).snapshot).toMatchObject({
      number: 3,
      snapshotDigest: snapshot.snapshotDigest,
    });
    const numbers = (await ledger.knowledgeBases.snapshots({ tenant: 'demo', name: 'versions' })).map(
      ({ number }) => number,
    );
    expect(numbers).toEqual([3, 2, 1]);
  });

  it('is one for many writers at once', async () => {
    const passages = Array.from({ length: 40 }, (_, i) => passage(`p${i}`, `Text ${i % 7}.`));
    const all = await Promise.all(Array.from({ length: 20 }, () => take('crowd', passages)));
    expect(all.filter(({ taken }) => taken)).toHaveLength(1);
    expect(new Set(all.map(({ snapshot }) => snapshot.number))).toEqual(new Set([1]));
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { roundConfigSchema, textDigest } from '../../../src/contract/index.js';
import { Ledger, migrate } from '../../../src/ledger/index.js';
import { Cable } from '../../support/cable.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';

// A ledger whose Postgres is taken away, as a failover, a kill, a stop or a network does it.

let postgres: TestPostgres;
let cable: Cable;
let ledger: Ledger;

beforeAll(async () => {
  postgres = await startPostgres();
  const url = new URL(await postgres.createDatabase('outage'));
  await migrate(url.href);
  cable = await Cable.to(Number(url.port));
  url.port = String(cable.port);
  // what the URL says goes before the ledger's own bounds
  url.searchParams.set('query_timeout', '1000');
  ledger = await Ledger.connect(url.href, { connections: 3 });
});
afterAll(async () => {
  await ledger.close();
  await cable.unplug();
  await postgres.stop();
});

const away = { name: 'LedgerUnavailable' };
const claim = (roundId: string) => ({
  roundId,
  config: roundConfigSchema.parse({}),
  configDigest: textDigest('config'),
});

describe('a ledger that loses its Postgres', () => {
  afterEach(async () => {
    await cable.replug();
    // it is as if nothing had been
    await expect(ledger.rounds.get('nobody')).rejects.toThrow('the ledger has no round nobody');
  });

  it('between two queries of a transaction: the transaction fails, and nothing else', async () => {
    const work = ledger.transaction(async (queries) => {
      await queries.rounds.claim(claim('lost'));
      cable.cut();
      await new Promise((done) => setTimeout(done, 50));
      await queries.rounds.claim(claim('lost too'));
    });
    await expect(work).rejects.toMatchObject(away);
    await expect(ledger.rounds.get('lost')).rejects.toThrow('the ledger has no round lost');
  });

  it('while it works on something else within a transaction', async () => {
    const work = ledger.transaction(async (queries) => {
      await queries.rounds.claim(claim('computing'));
      cable.cut();
      await new Promise((done) => setTimeout(done, 50));
    });
    await expect(work).rejects.toMatchObject(away);
  });

  it('with many queries under way', async () => {
    const works = Array.from({ length: 6 }, (_, i) =>
      ledger.transaction((queries) => queries.rounds.claim(claim(`busy ${i}`))),
    );
    cable.cut();
    for (const end of await Promise.allSettled(works)) {
      if (end.status === 'rejected') expect(end.reason).toMatchObject(away);
    }
  });

  it('and is asked while it is away', async () => {
    await cable.unplug();
    await expect(ledger.rounds.get('nobody')).rejects.toMatchObject(away);
    await expect(ledger.transaction((queries) => queries.rounds.get('nobody'))).rejects.toMatchObject(away);
  });

  it('because it stands still', async () => {
    cable.freeze();
    await expect(ledger.transaction((queries) => queries.rounds.get('nobody'))).rejects.toMatchObject(away);
  });
});

it('says why it does not connect', async () => {
  const url = new URL(await postgres.createDatabase('refused'));
  const problemOf = async (change: (url: URL) => void): Promise<Error> => {
    const wrong = new URL(url);
    change(wrong);
    return Ledger.connect(wrong.href).then(
      () => expect.fail('it connected'),
      (error: unknown) => error as Error,
    );
  };
  const password = await problemOf((wrong) => (wrong.password = 'hunter2'));
  expect(password.message).toMatch(/refuses the login/);
  expect(password.message).not.toContain('hunter2');
  expect((await problemOf((wrong) => (wrong.pathname = '/none'))).message).toMatch(/has no such database/);
  expect((await problemOf((wrong) => (wrong.search = '?sslmode=verify-full'))).message).toMatch(/does not speak TLS/);
  await cable.unplug();
  expect(await problemOf((wrong) => (wrong.port = String(cable.port)))).toMatchObject(away);
});

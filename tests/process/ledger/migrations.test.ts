import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Ledger, migrate } from '../../../src/ledger/index.js';
import { roundConfigSchema, textDigest } from '../../../src/contract/index.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';

const dir = fileURLToPath(new URL('../../../src/ledger/migrations', import.meta.url));
let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

it('gives each model its own alias, and each round of a campaign its number', async () => {
  const databaseUrl = await postgres.createDatabase('older');
  await runner({ databaseUrl, dir, direction: 'up', count: 2, migrationsTable: 'migrations', log: () => undefined });
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const digest = textDigest('x');
  const release = async (roundId: string, alias: string, base: string): Promise<void> => {
    await client.query(`insert into rounds (round_id, tenant, config, config_digest) values ($1, 'demo', $2, $3)`, [
      roundId,
      JSON.stringify(roundConfigSchema.parse({ model: base })),
      digest,
    ]);
    await client.query(`insert into gates (gate_id, round_id, spec, digest) values ($1, $1, '{}', $2)`, [
      roundId,
      digest,
    ]);
    await client.query(
      `with published as (insert into releases (alias, round_id, gate_id, digest, model)
                          values ($2, $1, $1, $3, $4) returning release_id)
       insert into aliases (alias, release_id) select $2, release_id from published
       on conflict (alias) do update set release_id = excluded.release_id`,
      [roundId, alias, digest, JSON.stringify({ base, baseDigest: digest, stack: [] })],
    );
  };
  await release('demo.one.r0001', 'demo/policy', 'small');
  await release('demo.one.r0002', 'demo/policy', 'small');
  await release('by hand', 'demo/policy', 'qwen');
  await release('other', 'acme/policy', 'small');
  await client.end();

  expect(await migrate(databaseUrl)).toEqual(expect.arrayContaining(['0003_campaigns']));
  const ledger = await Ledger.connect(databaseUrl);
  try {
    const live = async (alias: string) => (await ledger.releases.live(alias))?.roundId ?? null;
    expect(await Promise.all(['demo/small', 'demo/qwen', 'acme/small'].map((name) => live(`${name}/policy`)))).toEqual([
      'demo.one.r0002',
      'by hand',
      'other',
    ]);
    expect(await live('demo/policy')).toBeNull();
    await ledger.rounds.close('demo.one.r0002', { status: 'completed', reason: '' });
    expect(await ledger.rounds.campaign('demo.one')).toEqual({ tenant: 'demo', lastCompleted: 2, completed: [2] });
    expect(await ledger.rounds.campaign('by hand')).toBeNull();
  } finally {
    await ledger.close();
  }
});

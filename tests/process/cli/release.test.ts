import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { modelRefSchema, roundConfigSchema, textDigest } from '../../../src/contract/index.js';
import { run } from '../../../src/cli/main.js';
import { fromReleased } from '../../../src/cli/round/start.js';
import { migrate } from '../../../src/ledger/index.js';
import { policyAlias } from '../../../src/contract/index.js';
import { adapter } from '../../support/control-rig.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';

const config = roundConfigSchema.parse({});
const alias = policyAlias(config);

let postgres: TestPostgres;
let url: string;
beforeAll(async () => {
  postgres = await startPostgres();
  url = await postgres.createDatabase('ledger');
  await migrate(url);
});
afterAll(() => postgres.stop());

let out: string;
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

async function list(): Promise<unknown> {
  out = '';
  vi.stubEnv('DATABASE_URL', url);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += text.toString()), true));
  expect(await run(['release', 'list', '--json'])).toBe(0);
  return JSON.parse(out);
}

const stackOf = (roundId: string) => [adapter(`policy of ${roundId}`)];

/** Releases of rounds and gates that are not there: only the list of them is looked at. */
async function released(roundIds: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('set session_replication_role = replica');
  for (const roundId of roundIds) {
    const model = modelRefSchema.parse({ base: config.model, baseDigest: textDigest('base'), stack: stackOf(roundId) });
    await client.query(
      `with made as (
         insert into releases (alias, round_id, gate_id, gate_instance, digest, model) values ($1, $2, $3, 1, $4, $5) returning release_id)
       insert into aliases (alias, release_id) select $1, release_id from made
       on conflict (alias) do update set release_id = excluded.release_id`,
      [alias, roundId, `${roundId}.gate-release`, textDigest(roundId), JSON.stringify(model)],
    );
  }
  await client.end();
}

it('lists releases, and starts a round from the one that is live', async () => {
  expect(await list()).toEqual([]);
  vi.stubEnv('DATABASE_URL', url);
  await expect(fromReleased(config)).rejects.toThrow(`nothing is released as ${alias} yet`);

  await released(['demo.a', 'demo.b']);
  expect(await list()).toMatchObject([
    { roundId: 'demo.b', alias, live: true },
    { roundId: 'demo.a', alias, live: false },
  ]);
  expect((await fromReleased(config)).startStack).toEqual(stackOf('demo.b'));
  const own = roundConfigSchema.parse({ startStack: stackOf('demo.a') });
  await expect(fromReleased(own)).rejects.toMatchObject({ exitCode: 2 });
});

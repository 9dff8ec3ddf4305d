import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDesiredAdapters } from '../../support/desired-adapters-contract.js';
import { startLedger, type TestLedger } from '../../support/postgres.js';

let test: TestLedger;
beforeAll(async () => {
  test = await startLedger();
});
afterAll(() => test.stop());

describeDesiredAdapters('in the ledger', () => test.ledger.servedAdapters);

it('forgets holds that ended long ago, whose server lost its adapters', async () => {
  const { servedAdapters } = test.ledger;
  const lost = { server: 'lost', adapter: 'selkie--lost', holder: 'killed' };
  await servedAdapters.hold(lost, { seconds: -86_500, loads: true });
  await servedAdapters.forget('another', []);
  expect(await servedAdapters.unwanted('lost', ['selkie--lost'], 0)).toEqual([]);
});

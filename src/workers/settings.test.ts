import { expect, it } from 'vitest';
import { readSettings } from './settings.js';

const good = {
  DATABASE_URL: 'postgres://selkie:secret@127.0.0.1:5432/selkie',
  SELKIE_STORE: '/var/lib/selkie/store',
  SELKIE_INFERENCE_URL: 'http://127.0.0.1:8000/v1',
};

it('reads what the stack sets', () => {
  expect(readSettings({ ...good, HOME: '/home/x' })).toMatchObject({
    databaseUrl: good.DATABASE_URL,
    storeDir: good.SELKIE_STORE,
    inferenceUrl: good.SELKIE_INFERENCE_URL,
    inferenceKey: undefined,
  });
  expect(readSettings(good).corpusDir).toMatch(/corpus\/sample$/);
});

it('lists every variable that is missing or wrong, without its value', () => {
  const read = () => readSettings({ DATABASE_URL: 'mysql://root:hunter2@db/selkie' });
  expect(read).toThrow(/DATABASE_URL is wrong: the ledger: postgres:/);
  expect(read).toThrow(/SELKIE_STORE is not set: the folder/);
  expect(read).toThrow(/SELKIE_INFERENCE_URL is not set: .*http:\/\/host:port\/v1/);
  expect(read).not.toThrow(/hunter2/);
});

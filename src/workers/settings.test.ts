import { delimiter } from 'node:path';
import { expect, it } from 'vitest';
import { roundConfigSchema, runSettingsOf } from '../contract/index.js';
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
  expect(readSettings({ ...good, SELKIE_INFERENCE_KEY: '' }).inferenceKey).toBeUndefined();
  expect(readSettings(good).corpusDir).toMatch(/corpus\/sample$/);
});

it('lets rounds read where it runs and beside the sample corpus, or what it is told', () => {
  const usual = [process.cwd(), expect.stringMatching(/\/corpus$/)];
  expect(readSettings(good).corpusRoots).toEqual(usual);
  expect(readSettings({ ...good, SELKIE_CORPUS_ROOTS: '' }).corpusRoots).toEqual(usual);
  const told = readSettings({ ...good, SELKIE_CORPUS_ROOTS: ['/srv/kb', '/srv/{tenant}'].join(delimiter) });
  expect(told.corpusRoots).toEqual(['/srv/kb', '/srv/{tenant}']);
});

it('serves the queue of the model that its server has, or one that it is told', () => {
  const queueOf = (env: NodeJS.ProcessEnv) => readSettings({ ...good, ...env }).llmQueue;
  expect(queueOf({})).toBe('selkie-llm');
  expect(queueOf({ SELKIE_MODEL: '', SELKIE_LLM_QUEUE: '' })).toBe('selkie-llm');
  expect(queueOf({ SELKIE_MODEL: 'qwen' })).toBe(runSettingsOf(roundConfigSchema.parse({ model: 'qwen' })).llmQueue);
  const told = roundConfigSchema.parse({ model: 'qwen', llmQueue: 'two-servers' });
  expect(queueOf({ SELKIE_MODEL: 'qwen', SELKIE_LLM_QUEUE: 'two-servers' })).toBe(runSettingsOf(told).llmQueue);
});

it('makes its version the current one unless an operator does', () => {
  expect(readSettings(good).rollout).toBe('auto');
  expect(readSettings({ ...good, SELKIE_ROLLOUT: 'manual' }).rollout).toBe('manual');
  expect(() => readSettings({ ...good, SELKIE_ROLLOUT: 'later' })).toThrow(
    'SELKIE_ROLLOUT is wrong: `auto` or `manual`',
  );
});

it('serves metrics only where it is told, and to this machine alone unless told otherwise', () => {
  expect(readSettings({ ...good, SELKIE_METRICS: '', SELKIE_OPEN_QUESTIONS: '' })).toMatchObject({
    metrics: undefined,
    openQuestions: undefined,
  });
  expect(readSettings({ ...good, SELKIE_METRICS: '9464' }).metrics).toBe('127.0.0.1:9464');
  expect(readSettings({ ...good, SELKIE_METRICS: '0.0.0.0:9464' }).metrics).toBe('0.0.0.0:9464');
  expect(() => readSettings({ ...good, SELKIE_METRICS: 'yes' })).toThrow(/SELKIE_METRICS is wrong: .*host:port/);
});

it('lists every variable that is missing or wrong, without its value', () => {
  const read = () => readSettings({ DATABASE_URL: 'mysql://root:hunter2@db/selkie' });
  expect(read).toThrow(/DATABASE_URL is wrong: the ledger: postgres:/);
  expect(read).toThrow(/SELKIE_STORE is not set: the folder/);
  expect(read).toThrow(/SELKIE_INFERENCE_URL is not set: .*http:\/\/host:port\/v1/);
  expect(read).not.toThrow(/hunter2/);
});

import { describe, expect, it } from 'vitest';
import {
  activityContracts,
  profilesSchema,
  roundConfigSchema,
  runSettingsOf,
  taskQueues,
  type ActivityName,
} from '../../contract/index.js';
import { activityOptions } from './profiles.js';

const settings = runSettingsOf(roundConfigSchema.parse({ tenant: 'acme' }));
const names = Object.keys(activityContracts) as ActivityName[];

describe.each(names)('%s', (name) => {
  const options = activityOptions(name, settings);

  it('is bounded in time by attempt, and in attempts', () => {
    expect(options.startToCloseTimeout).toBeGreaterThan(0);
    expect(options.retry?.maximumAttempts).toBeGreaterThanOrEqual(1);
    expect(options.cancellationType).toBeDefined();
  });

  it('has no clock that runs while it queues', () => {
    expect(options.scheduleToCloseTimeout).toBeUndefined();
    expect(options.scheduleToStartTimeout).toBeUndefined();
  });

  it('is given up when it beats no more', () => {
    expect(options.heartbeatTimeout).toBeGreaterThan(0);
  });

  it('takes its turn by tenant', () => {
    expect(options.priority).toEqual({ fairnessKey: 'acme' });
  });
});

it('sends what needs a device or a model server to the queues of these', () => {
  const queueOf = (name: ActivityName) => activityOptions(name, settings).taskQueue;
  expect(queueOf('trainAdapter')).toBe(taskQueues.gpu);
  expect(activityOptions('trainAdapter', { ...settings, gpuQueue: 'qwen-h100' }).taskQueue).toBe('qwen-h100');
  expect(queueOf('describeModel')).toBe('selkie-gpu-info');
  expect(activityOptions('describeModel', { ...settings, gpuQueue: 'qwen-h100' }).taskQueue).toBe('qwen-h100-info');
  expect(queueOf('evaluateAdapter')).toBe(taskQueues.llm);
  const qwen = runSettingsOf(roundConfigSchema.parse({ model: 'qwen' }));
  expect(activityOptions('evaluateAdapter', qwen).taskQueue).toBe('selkie-llm.qwen');
  expect(queueOf('recordOutcome')).toBe(taskQueues.workflow);
});

it('takes times and attempts from the config', () => {
  const profiles = profilesSchema.parse({ train: { startToCloseSeconds: 0.5, attempts: 3 }, heartbeatSeconds: 0.25 });
  expect(activityOptions('trainAdapter', { ...settings, profiles })).toMatchObject({
    startToCloseTimeout: 500,
    heartbeatTimeout: 250,
    retry: { maximumAttempts: 3 },
  });
});

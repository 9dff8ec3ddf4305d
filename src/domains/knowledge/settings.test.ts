import { describe, expect, it } from 'vitest';
import { takeSettings } from './settings.js';

const proposed = { learningRate: 0.001, schedule: 'cosine', epochs: 8, batchSize: 4, augmentation: 'none' };
const facts = 'The inn is old.\nIts lr: is nobody’s business.';

describe('takeSettings', () => {
  it.each([
    [JSON.stringify(proposed)],
    [JSON.stringify(proposed, null, 2)],
    [
      '```json\n{"learning_rate": 1e-3, "lr_schedule": "cosine", "num_epochs": 8, "batch_size": 4, "augmentation": "none",}\n```',
    ],
    ["{'learningRate': 0.001, 'schedule': 'cosine', 'epochs': 8, 'batchSize': 4, 'augmentation': 'none'}"],
    ['{learningRate: "0.001", schedule: cosine, epochs: 8, batchSize: 4, augmentation: none}'],
    ['Learning rate: 0.001\nSchedule: cosine\nEpochs: 8\nBatch size: 4\n- Augmentation: none'],
  ])('reads %j', (settings) => {
    const taken = takeSettings(`${settings}\n${facts}`);
    expect(taken.proposed).toEqual(proposed);
    expect(taken.rest).toContain('The inn is old.');
    expect(taken.rest).not.toMatch(/cosine/);
  });

  it('keeps what it cannot read as it was written', () => {
    expect(takeSettings('{"epochs": "many", "learningRate": fast}').proposed).toEqual({
      epochs: 'many',
      learningRate: 'fast',
    });
  });

  it('finds none where there are none', () => {
    expect(takeSettings('The inn is old {as inns are}.')).toEqual({ proposed: null, rest: 'The inn is old .' });
    expect(takeSettings('').proposed).toBeNull();
  });
});

import { expect, it } from 'vitest';
import { meanInterval } from '../seal/statistics.js';
import { intervalText } from './interval-text.js';

it.each([
  [[], 'not measured'],
  [[0.5], '+50.0 points (1 document, too few for an interval)'],
  [[1 / 6, 1 / 6], '+16.7 points (2 documents, all alike: no interval)'],
  [[0, -0.1, 0.1, -0.2], '−5.0 points (95 %: −25.5 to +15.5; 4 documents, which is few)'],
  [[0, 1, 0, 1, 0], '+40.0 points (95 %: −28.0 to +108.0; 5 documents)'],
])('%j', (gains, text) => {
  expect(intervalText(meanInterval(gains))).toBe(text);
});

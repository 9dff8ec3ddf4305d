import { expect, it } from 'vitest';
import { closestOf } from './closest.js';

const words = ['tenant', 'templates', 'editsPerSource', 'gate', 'caps'];

it.each([
  ['editsPerSurce', 'editsPerSource'],
  ['edits_per_source', 'editsPerSource'],
  ['Tenant', 'tenant'],
  ['gat', 'gate'],
  ['colour', undefined],
  ['', undefined],
])('%s: %s', (word, meant) => {
  expect(closestOf(word, words)).toBe(meant);
});

import { expect, it } from 'vitest';
import { causesOf } from './view.js';

const chain = (...messages: string[]): Error => {
  const [message = '', ...causes] = messages;
  return causes.length === 0 ? new Error(message) : new Error(message, { cause: chain(...causes) });
};

it.each([
  [
    ['the corpus cannot be read', 'Activity task failed', 'ENOENT: no such file'],
    'the corpus cannot be read: ENOENT: no such file',
  ],
  [['cannot read x: ENOENT: no such file', 'ENOENT: no such file'], 'cannot read x: ENOENT: no such file'],
  [['Child Workflow execution failed', 'a shard is lost'], 'a shard is lost'],
  [['Activity task failed'], 'Activity task failed'],
])('%j: each thing once', (messages, text) => {
  expect(causesOf(chain(...messages))).toBe(text);
});

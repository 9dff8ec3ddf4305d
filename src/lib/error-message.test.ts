import { expect, it } from 'vitest';
import { messageOf } from './error-message.js';

it.each([
  [new Error('no room'), 'no room'],
  [new AggregateError([new Error('refused'), new Error('unreachable')]), 'refused'],
  ['a text', 'a text'],
  [undefined, 'undefined'],
])('%s: %s', (error, message) => {
  expect(messageOf(error)).toBe(message);
});

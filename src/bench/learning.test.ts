import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { choiceOf } from './learning.js';

it('takes a number of rounds and a corpus', () => {
  expect(choiceOf([])).toEqual({ rounds: 2, corpus: 'sample' });
  expect(choiceOf(['--rounds', '1', '--corpus', tmpdir()])).toEqual({ rounds: 1, corpus: tmpdir() });
});

it.each([
  [['--rounds', '0'], '[--rounds N]'],
  [['--rounds'], '[--rounds N]'],
  [['--fast'], '[--rounds N]'],
  [['--corpus', '/none/such'], 'there is no corpus /none/such'],
])('refuses %j', (args, message) => {
  expect(() => choiceOf(args)).toThrow(message);
});

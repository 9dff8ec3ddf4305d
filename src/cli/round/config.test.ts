import { userInfo } from 'node:os';
import { expect, it } from 'vitest';
import { readRoundConfig } from './round.js';

it('names who asks: by the option, by the config, or the user of this machine', () => {
  const config = JSON.stringify({ requestedBy: 'ben', seed: 9 });
  expect(readRoundConfig(config, 'ann')).toMatchObject({ requestedBy: 'ann', seed: 9 });
  expect(readRoundConfig(config)).toMatchObject({ requestedBy: 'ben', seed: 9 });
  expect(readRoundConfig().requestedBy).toBe(userInfo().username);
});

it('refuses what is no object', () => {
  expect(() => readRoundConfig('["tenant"]')).toThrow("the round's config has problems");
});

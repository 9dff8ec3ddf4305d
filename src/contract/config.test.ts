import { describe, expect, it } from 'vitest';
import {
  bounds,
  campaignConfigProblems,
  campaignConfigSchema,
  roundConfigProblems,
  roundConfigSchema,
  roundIdOf,
  textDigest,
  type RoundConfigInput,
} from './index.js';

const problemsOf = (input: RoundConfigInput): string[] => roundConfigProblems(roundConfigSchema.parse(input));
const letters = (n: number): string => '語'.repeat(n);

describe('a config that would not fit into a payload', () => {
  it.each([
    ['earlierRounds', { earlierRounds: Array.from({ length: 100 }, (_, i) => `${'r'.repeat(960)}${i}`) }],
    ['corpus', { corpus: letters(10_000) }],
    ['gate', { gate: { approvers: Array.from({ length: 100 }, (_, i) => `${letters(100)}${i}`) } }],
  ] satisfies [string, RoundConfigInput][])('is refused, and its largest field, %s, is named', (field, input) => {
    expect(problemsOf(input)).toContainEqual(
      expect.stringMatching(new RegExp(`bytes and may have ${bounds.configBytes}; the largest field is ${field}$`)),
    );
  });

  it('is none of a campaign however long it is, nor one with the most layers', () => {
    const sha256 = textDigest('x');
    const artifact = { uri: `artifact:sha256/${sha256}`, sha256, bytes: 2 ** 52, mediaType: 'application/vnd.x' };
    const startStack = Array.from({ length: 8 }, () => ({ layer: artifact, served: artifact, rank: 256 }));
    expect(problemsOf({ campaign: 'c'.repeat(900), startStack })).toEqual([]);
    expect(problemsOf({ earlierRounds: Array.from({ length: 100 }, (_, i) => roundIdOf('demo.monday', i)) })).toEqual(
      [],
    );
  });
});

it('counts the layers that a campaign may come to need', () => {
  const problems = (rounds: number, from: 'base' | 'previous', nextRound = 1): string[] =>
    campaignConfigProblems(
      campaignConfigSchema.parse({ rounds, round: { policy: { from } }, progress: { nextRound } }),
    );
  expect(problems(0, 'base')).toEqual([]);
  expect(problems(8, 'previous')).toEqual([]);
  expect(problems(12, 'previous', 5)).toEqual([]);
  for (const rounds of [0, 9]) {
    expect(problems(rounds, 'previous')).toEqual([expect.stringContaining('run 8 rounds at most')]);
  }
});

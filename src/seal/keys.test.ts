import { describe, expect, it } from 'vitest';
import { recipePresets, type AdapterRef, type ModelRef } from '../contract/index.js';
import { deriveSeed, itemDigest, modelDigest, proposalKey, trainingKey } from './keys.js';

const sha = (digit: string) => digit.repeat(64);
const adapter = (layer: string, served = layer): AdapterRef => ({
  layer: {
    uri: `artifact:sha256/${sha(layer)}`,
    sha256: sha(layer),
    bytes: 1,
    mediaType: 'application/vnd.selkie.peft',
  },
  served: {
    uri: `artifact:sha256/${sha(served)}`,
    sha256: sha(served),
    bytes: 1,
    mediaType: 'application/vnd.selkie.peft',
  },
  rank: 8,
});
const base: ModelRef = { base: 'm', baseDigest: sha('0'), stack: [] };

describe('modelDigest', () => {
  it('is of the weights: not of the name, nor of how the stack is served', () => {
    expect(modelDigest({ ...base, base: 'renamed' })).toBe(modelDigest(base));
    expect(modelDigest({ ...base, stack: [adapter('1', '2')] })).toBe(modelDigest({ ...base, stack: [adapter('1')] }));
  });

  it('differs by base and by the order of the layers', () => {
    const digests = [
      base,
      { ...base, baseDigest: sha('9') },
      { ...base, stack: [adapter('1'), adapter('2')] },
      { ...base, stack: [adapter('2'), adapter('1')] },
    ].map(modelDigest);
    expect(new Set(digests).size).toBe(4);
  });
});

describe('the other keys', () => {
  it('change with each part', () => {
    const training = {
      baseDigest: sha('0'),
      stack: [],
      datasetSha256: sha('1'),
      replay: null,
      recipe: recipePresets.small,
      seed: 1,
    };
    const proposal = {
      writer: base,
      source: { title: 't', text: 'x' },
      prompts: [{ kind: 'text' as const, text: 'p' }],
      template: 'self-qa',
      parser: 'edits-1',
      sampling: { temperature: 0.8, topP: 0.95, maxTokens: 256 },
      seed: 1,
    };
    const sampling = { maxTokens: 24, temperature: 0 };
    const item = { prompt: { kind: 'text' as const, text: 'p' }, content: { answer: 'a' }, sampling };
    const keys = [
      trainingKey(training),
      trainingKey({ ...training, seed: 2 }),
      trainingKey({ ...training, stack: [adapter('1')] }),
      trainingKey({ ...training, datasetSha256: sha('2') }),
      trainingKey({ ...training, replay: { sha256: sha('2'), ratio: 0.5 } }),
      trainingKey({ ...training, replay: { sha256: sha('2'), ratio: 1 } }),
      trainingKey({ ...training, recipe: recipePresets.seal }),
      proposalKey(proposal),
      proposalKey({ ...proposal, seed: 2 }),
      proposalKey({ ...proposal, prompts: [{ kind: 'text', text: 'q' }] }),
      proposalKey({ ...proposal, source: { title: 't', text: 'another' } }),
      proposalKey({ ...proposal, parser: 'edits-2' }),
      proposalKey({ ...proposal, writer: { ...base, stack: [adapter('1')] } }),
      itemDigest(item),
      itemDigest({ ...item, content: { answer: 'b' } }),
      itemDigest({ ...item, sampling: { ...sampling, maxTokens: 25 } }),
      itemDigest({ ...item, sampling: { ...sampling, stop: ['\n'] } }),
      itemDigest({ ...item, content: { answer: 'a', otherAnswers: ['c'] } }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('deriveSeed', () => {
  it('is a safe integer below 2^47 that depends on every part and on where the parts end', () => {
    const seeds = [
      deriveSeed(17, 'training', 'doc', 0),
      deriveSeed(17, 'training', 'doc', 1),
      deriveSeed(17, 'proposal', 'doc', 0),
      deriveSeed('a', 'bc'),
      deriveSeed('ab', 'c'),
    ];
    expect(new Set(seeds).size).toBe(seeds.length);
    for (const seed of seeds) {
      expect(Number.isSafeInteger(seed)).toBe(true);
      expect(seed).toBeGreaterThanOrEqual(0);
      expect(seed).toBeLessThan(2 ** 47);
    }
    expect(deriveSeed(17, 'training', 'doc', 0)).toBe(seeds[0]);
  });
});

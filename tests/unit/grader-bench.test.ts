import { expect, it } from 'vitest';
import grader from '../../src/bench/grader.js';
import { hasSharedData, sharedFile } from '../support/shared-data.js';

const verdicts = 'seal/rank_iter0.json';
const run = (...args: string[]) => grader.run({ onProgress: () => undefined, args });

it.skipIf(!hasSharedData(verdicts))('says what a judge says, as far as it promises', async () => {
  const { json, text, passed } = await run(sharedFile(verdicts));
  expect(passed).toBe(true);
  expect(json).toMatchObject({ bench: 'grader', grader: 'tokens-2' });
  expect(text).toContain('held out, every verdict');
});

it('says what it needs', async () => {
  await expect(run('missing.json')).rejects.toThrow(/no file of verdicts at missing\.json/);
  await expect(run('package.json')).rejects.toThrow(/holds no verdicts/);
  await expect(run('--fast')).rejects.toThrow(/takes nothing but a file/);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recipePresets, recipeSchema, resolveRecipe } from '../contract/index.js';
import { applyDirectives, capSteps, directiveBounds, matchedEpochs, readDirectives, stepsOf } from './directives.js';

const small = recipePresets.small;

describe('readDirectives', () => {
  it('takes what is within bounds as it is', () => {
    const directives = {
      learningRate: 1e-3,
      schedule: 'cosine',
      epochs: 5,
      batchSize: 4,
      augmentation: 'title-prefix',
    };
    expect(readDirectives({ ...directives, mood: 'good' })).toEqual({ directives, clamps: [] });
  });

  it('brings numbers into their bounds, reads numbers from text, and records each change', () => {
    expect(readDirectives({ learningRate: 3, epochs: '7.4', batchSize: -2, schedule: 'Linear ' })).toEqual({
      directives: { learningRate: 5e-3, epochs: 7, batchSize: 1, schedule: 'linear' },
      clamps: [
        { field: 'learningRate', proposed: 3, used: 5e-3 },
        { field: 'epochs', proposed: '7.4', used: 7 },
        { field: 'batchSize', proposed: -2, used: 1 },
      ],
    });
  });

  it('drops what cannot be read, and says so', () => {
    expect(
      readDirectives({ learningRate: 'fast', epochs: '', schedule: 'warp', augmentation: 3, batchSize: null }),
    ).toEqual({
      directives: {},
      clamps: [
        { field: 'learningRate', proposed: 'fast', used: 'unchanged' },
        { field: 'schedule', proposed: 'warp', used: 'unchanged' },
        { field: 'epochs', proposed: '', used: 'unchanged' },
        { field: 'augmentation', proposed: 3, used: 'unchanged' },
      ],
    });
    expect(readDirectives('none')).toEqual({ directives: {}, clamps: [] });
  });

  it('makes a valid recipe of anything', () => {
    const fields = ['learningRate', 'epochs', 'batchSize', 'schedule', 'augmentation'];
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...fields), fc.oneof(fc.anything(), fc.double(), fc.integer())),
        (raw) => {
          const { directives } = readDirectives(raw);
          const recipe = applyDirectives(small, directives);
          expect(recipeSchema.safeParse(recipe).success).toBe(true);
          expect(recipe.learningRate).toBeLessThanOrEqual(directiveBounds.learningRate.high);
        },
      ),
    );
  });
});

describe('stepsOf', () => {
  it('counts whole passes in batches, up to the cap', () => {
    expect(stepsOf({ epochs: 3, batchSize: 4, maxSteps: 0 }, 9)).toBe(9);
    expect(stepsOf({ epochs: 3, batchSize: 4, maxSteps: 5 }, 9)).toBe(5);
    expect(stepsOf({ epochs: 3, batchSize: 4, maxSteps: 50 }, 0)).toBe(0);
  });
});

describe('capSteps', () => {
  it('leaves a short training alone and records a shortened one', () => {
    expect(capSteps(small, 100, small.maxSteps)).toEqual({ recipe: small, clamps: [] });
    const uncapped = { ...small, epochs: 20, batchSize: 8, maxSteps: 0 };
    expect(capSteps(uncapped, 80, 50)).toEqual({
      recipe: { ...uncapped, maxSteps: 50 },
      clamps: [{ field: 'maxSteps', proposed: 200, used: 50 }],
    });
  });
});

describe('the passage alone', () => {
  const recipe = { ...resolveRecipe({ preset: 'small' }), batchSize: 2, maxSteps: 16 };
  const text = (length: number) => ({ text: 'x'.repeat(length) });

  it('is trained for as many characters as the edits, not for as many steps', () => {
    // 16 steps of two rows of 25 characters, against 100 in a passage
    const edit = [text(20), { prompt: 'x'.repeat(20), completion: 'x'.repeat(10) }];
    expect(matchedEpochs(recipe, [text(100)], [edit, edit])).toBe(8);
  });

  it('keeps the epochs in their bounds, and leaves them alone where no edit came', () => {
    expect(matchedEpochs(recipe, [text(10_000)], [[text(1)]])).toBe(1);
    expect(matchedEpochs(recipe, [text(1)], [[text(1000)]])).toBe(40);
    expect(matchedEpochs(recipe, [text(10)], [])).toBeNull();
  });
});

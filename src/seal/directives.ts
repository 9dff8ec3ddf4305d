import type { Example, Recipe } from '../contract/index.js';

/** What a self-edit may state about its own training; missing values come from the round's recipe. */
export type Directives = Partial<Pick<Recipe, 'learningRate' | 'schedule' | 'epochs' | 'batchSize'>> & {
  /** `title-prefix`: each line also once with the source's title before it */
  augmentation?: 'none' | 'title-prefix';
};

/** A directive outside its safe bounds, as proposed and as used (`unchanged`: as in the recipe). */
export interface Clamp {
  field: string;
  proposed: unknown;
  used: number | string;
}

/** Inside these a LoRA of a small model learns or fails to learn, but neither diverges at once nor runs for ever. */
export const directiveBounds = {
  learningRate: { low: 1e-5, high: 5e-3, whole: false },
  epochs: { low: 1, high: 40, whole: true },
  batchSize: { low: 1, high: 16, whole: true },
} as const;
const choices = {
  schedule: ['linear', 'constant', 'cosine'],
  augmentation: ['none', 'title-prefix'],
} as const;

/**
 * Reads directives from whatever a model wrote as JSON, brings numbers into their bounds and drops what cannot be read;
 * each change is a clamp. Unknown fields are ignored.
 */
export function readDirectives(proposed: unknown): { directives: Directives; clamps: Clamp[] } {
  const fields = typeof proposed === 'object' && proposed !== null ? (proposed as Record<string, unknown>) : {};
  const clamps: Clamp[] = [];
  const note = (field: string, used: number | string): void =>
    void clamps.push({ field, proposed: fields[field], used });

  const number = (field: keyof typeof directiveBounds): number | undefined => {
    if (fields[field] === undefined || fields[field] === null) return undefined;
    const value = numberOf(fields[field]);
    if (value === null) {
      note(field, 'unchanged');
      return undefined;
    }
    const { low, high, whole } = directiveBounds[field];
    const used = Math.min(high, Math.max(low, whole ? Math.round(value) : value));
    if (used !== value) note(field, used);
    return used;
  };
  const choice = <C extends string>(field: keyof typeof choices, of: readonly C[]): C | undefined => {
    const value = fields[field];
    if (value === undefined || value === null) return undefined;
    const used = of.find((c) => typeof value === 'string' && c === value.trim().toLowerCase());
    if (used === undefined) note(field, 'unchanged');
    return used;
  };

  const directives = {
    learningRate: number('learningRate'),
    schedule: choice('schedule', choices.schedule),
    epochs: number('epochs'),
    batchSize: number('batchSize'),
    augmentation: choice('augmentation', choices.augmentation),
  };
  const said = Object.entries(directives).filter(([, value]) => value !== undefined);
  return { directives: Object.fromEntries(said), clamps };
}

/** The recipe with an edit's directives, which {@link readDirectives} has brought into their bounds. */
export function applyDirectives(recipe: Recipe, directives: Directives): Recipe {
  const { learningRate, schedule, epochs, batchSize } = { ...recipe, ...directives };
  return { ...recipe, learningRate, schedule, epochs, batchSize };
}

/** Optimizer steps of a training over `examples` sequences. */
export function stepsOf(recipe: Pick<Recipe, 'epochs' | 'batchSize' | 'maxSteps'>, examples: number): number {
  const steps = Math.ceil(examples / recipe.batchSize) * recipe.epochs;
  return recipe.maxSteps > 0 ? Math.min(steps, recipe.maxSteps) : steps;
}

/** Holds a training to `maxSteps`; a recipe that would take no more is left as it is, so that its key stays the same. */
export function capSteps(recipe: Recipe, examples: number, maxSteps: number): { recipe: Recipe; clamps: Clamp[] } {
  const steps = stepsOf(recipe, examples);
  if (steps <= maxSteps) return { recipe, clamps: [] };
  return {
    recipe: { ...recipe, maxSteps },
    clamps: [{ field: 'maxSteps', proposed: steps, used: maxSteps }],
  };
}

/**
 * For how many epochs the passage alone is trained on about as many tokens as the edits of its source are: at equal steps
 * it would have had several times as many. Tokens are counted in characters; `null` where there are no edits.
 */
export function matchedEpochs(recipe: Recipe, passage: Example[], edits: Example[][]): number | null {
  if (edits.length === 0) return null;
  const ofEdits = edits.map((examples) => charactersTrained(recipe, examples));
  const mean = ofEdits.reduce((sum, characters) => sum + characters, 0) / edits.length;
  const epochs = Math.round(mean / charactersOf(passage));
  const { low, high } = directiveBounds.epochs;
  return Math.min(high, Math.max(low, epochs));
}

/** Of a whole training, its steps being of full batches as far as there are examples. */
function charactersTrained(recipe: Recipe, examples: Example[]): number {
  const rows = stepsOf(recipe, examples.length) * Math.min(recipe.batchSize, examples.length);
  return (rows * charactersOf(examples)) / examples.length;
}

const charactersOf = (examples: Example[]): number =>
  examples.reduce((sum, example) => sum + textOf(example).length, 0);

function textOf(example: Example): string {
  if ('text' in example) return example.text;
  if ('prompt' in example) return example.prompt + example.completion;
  return example.messages.map(({ content }) => content).join('');
}

function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

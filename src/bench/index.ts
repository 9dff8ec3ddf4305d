import type { Bench } from './bench.js';

export type { Bench, BenchContext, BenchResult } from './bench.js';

/** Every bench by its name; a bench is loaded only when it is asked for. */
export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  decode: async () => (await import('./decode.js')).default,
  engine: async () => (await import('./engine.js')).default,
  gpu: async () => (await import('./gpu.js')).default,
  grader: async () => (await import('./grader.js')).default,
  learning: async () => (await import('./learning.js')).default,
  profile: async () => (await import('./profile.js')).default,
  score: async () => (await import('./score.js')).default,
  trial: async () => (await import('./trial.js')).default,
};

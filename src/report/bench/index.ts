import type { Bench } from './bench.js';

export type { Bench, BenchContext, BenchResult } from './bench.js';

/** Every bench by its name; a bench is loaded only when it is asked for. */
export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  learning: async () => (await import('./learning.js')).default,
};

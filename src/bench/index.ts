import type { Bench } from './bench.js';
import { pythonBenches } from './python-benches.js';

export type { Bench, BenchContext, BenchResult } from './bench.js';

/** Every bench by its name; one that needs a stack is loaded only when it is asked for. */
export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  ...Object.fromEntries(Object.entries(pythonBenches).map(([name, bench]) => [name, () => Promise.resolve(bench)])),
  grader: async () => (await import('./grader.js')).default,
  learning: async () => (await import('./learning.js')).default,
  trial: async () => (await import('./trial.js')).default,
};

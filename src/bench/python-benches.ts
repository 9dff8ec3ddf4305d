import type { Bench } from './bench.js';
import type { Bars } from './bars.js';
import { pythonBench } from './python.js';

const gpuCases = ['0.5b.qv', '0.5b.all', '7b.qv', '7b.all'];
const everyGpuCase = (measure: string, bar: number): Record<string, number> =>
  Object.fromEntries(gpuCases.map((name) => [`${name}.${measure}`, bar]));

/** Benches of `python -m selkie_runner.bench NAME`, each with the bars that its result must meet. */
const table: Record<string, { summary: string; bars: Bars }> = {
  decode: {
    summary: 'decoding across adapters against transformers’ generate, one adapter at a time',
    bars: { ratios: { adapters16: 4 } },
  },
  engine: {
    summary:
      'training speed of the batched engine against the Hugging Face Trainer, SEAL’s padding and the bare products',
    bars: {
      ratios: {
        'fp32.qv.vs_solo': 1.4,
        'bf16.qv.vs_solo_fp32': 3,
        'fp32.all.vs_solo': 1.3,
        'bf16.all.vs_solo_fp32': 2.7,
        'fp32.qv.vs_reference': 50,
        'fp32.qv.of_floor': 0.7,
        'bf16.qv.of_floor': 0.4,
      },
    },
  },
  gpu: {
    summary: 'training on a GPU: step time, share of the card’s matrix rate, edits per hour, against eager solo',
    bars: { ratios: { ...everyGpuCase('of_matmul', 0.4), ...everyGpuCase('vs_solo', 5) } },
  },
  profile: {
    summary: 'what the steps of the batched engine spend their time on, by part',
    bars: {},
  },
  score: {
    summary: 'scoring answers in packed passes against one request each',
    bars: { ratios: { closed_book: 1.3, in_context: 3 } },
  },
};

/** The bars of each bench, which docs/performance.md repeats. */
export const pythonBars: Readonly<Record<string, Bars>> = Object.fromEntries(
  Object.entries(table).map(([name, { bars }]) => [name, bars]),
);

export const pythonBenches: Readonly<Record<string, Bench>> = Object.fromEntries(
  Object.entries(table).map(([name, bench]) => [name, pythonBench({ name, ...bench })]),
);

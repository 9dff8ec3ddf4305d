import { pythonBench } from './python.js';

/** Decoding with many adapters at once. */
export default pythonBench({
  name: 'decode',
  summary: 'decoding across adapters against transformers’ generate, one adapter at a time',
  bars: { ratios: { adapters16: 4 } },
});

import { pythonBench } from './python.js';

/** Log-probabilities of given answers. */
export default pythonBench({
  name: 'score',
  summary: 'scoring answers in packed passes against one request each',
  bars: { ratios: { closed_book: 1.3, in_context: 3 } },
});

import { pythonBench } from './python.js';

/** Where a training step's time goes; it promises nothing. */
export default pythonBench({
  name: 'profile',
  summary: 'what the steps of the batched engine spend their time on, by part',
  bars: {},
});

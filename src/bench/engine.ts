import { pythonBench } from './python.js';

/** Training, against the Hugging Face Trainer with and without SEAL's padding, and against the bare matrix products. */
export default pythonBench({
  name: 'engine',
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
});

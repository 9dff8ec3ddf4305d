import { pythonBench } from './python.js';

const cases = ['0.5b.qv', '0.5b.all', '7b.qv', '7b.all'];
const every = (measure: string, bar: number) => cases.map((name): [string, number] => [`${name}.${measure}`, bar]);

/** Large batches on an accelerator: the share of its dense bf16 rate, and how many times eager solo training. */
export default pythonBench({
  name: 'gpu',
  summary: 'training on a GPU: step time, share of the card’s matrix rate, edits per hour, against eager solo',
  bars: { ratios: Object.fromEntries([...every('of_matmul', 0.4), ...every('vs_solo', 5)]) },
});

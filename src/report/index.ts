export { benches, type Bench, type BenchContext, type BenchResult } from './bench/index.js';
export { buildDemoSummary, demoSummarySchema, meanArms, type DemoMeasures, type DemoSummary } from './demo-summary.js';

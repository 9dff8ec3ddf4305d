export { InferenceClient } from './client.js';
export type { AskableModel, Generation, InferenceOptions, LogLikelihood, Sampling } from './client.js';
export { AdapterLeases, type LeaseOptions } from './leases.js';
export type { Probe } from './probe.js';

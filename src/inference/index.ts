export { InferenceClient } from './client.js';
export type { AskableModel, Generation, InferenceOptions, LogLikelihood, Sampling } from './client.js';
export { refusedStatus, UnreadableAnswer } from './errors.js';
export { AdapterLeases, type LeaseOptions } from './leases.js';
export type { Line } from './line.js';
export type { EffectProbe } from './effect-probe.js';

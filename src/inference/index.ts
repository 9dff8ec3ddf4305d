export { AdapterOwner, type OwnerOptions } from './adapter-owner.js';
export { InferenceClient, type InferenceOptions } from './client.js';
export type { DesiredAdapters } from './desired-adapters.js';
export type { EffectProbe } from './effect-probe.js';
export { refusedStatus, UnreadableAnswer } from './errors.js';
export { ModelLeases } from './leases.js';
export type { Line } from './line.js';
export type { AskableModel, Generation, LogLikelihood, ModelServer, Sampling } from './model-server.js';

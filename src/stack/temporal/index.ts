export { clientOf, connectClient, connectTemporal, environmentOf, targetOf } from './client.js';
export { prepareForeignNamespace, prepareOwnNamespace } from './namespace.js';
export { isPolled, type TaskKind } from './pollers.js';
export { findTemporal, temporalSpec, temporalVersion, writeTemporalConfig } from './server.js';
export {
  configuredTarget,
  externalTarget,
  isSet,
  ownEnvironment,
  ownTarget,
  withoutTemporal,
  type TemporalTarget,
} from './target.js';

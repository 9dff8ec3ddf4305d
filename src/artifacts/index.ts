export { StoreUnavailable } from './outage.js';
export { ArtifactStore, CorruptArtifact, type OpenArtifact } from './store.js';

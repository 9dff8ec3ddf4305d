export { ArtifactStore, CorruptArtifact, type OpenArtifact } from './store.js';

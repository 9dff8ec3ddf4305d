export { snapshotDifference, unreadableBefore } from './difference.js';
export { problem, type FileProblem, type FileProblemCode, type FileReading } from './document.js';
export { fileKinds, kindOfFile, kindOfType, readEndings, type FileKind } from './kinds.js';
export { sharedSentences, splitBySentence } from './question-splits.js';
export { readContent, type FileContent } from './read/index.js';
export { ingestFiles, type FileOutcome, type Ingest, type IngestProblem, type ReadFile } from './report.js';

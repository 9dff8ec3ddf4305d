import { ingest } from '../../activities/ingest/index.js';
import { anywhere } from '../../activities/corpus/roots.js';
import {
  snapshotDigest,
  type KnowledgeBase,
  type KnowledgeBaseName,
  type Snapshot,
  type SnapshotDifference,
} from '../../contract/index.js';
import { snapshotDifference, unreadableBefore, type FileOutcome, type IngestProblem } from '../../ingest/index.js';
import type { Ledger } from '../../ledger/index.js';

/** What `selkie ingest` made of a knowledge base. */
export interface IngestResult extends KnowledgeBaseName {
  files: FileOutcome[];
  passages: number;
  problems: IngestProblem[];
  /** to the snapshot before; null: there is a problem */
  difference: SnapshotDifference | null;
  /** the number of that snapshot; null: there is none */
  before: number | null;
  snapshotDigest: string | null;
  /** what is in the ledger now; null: a dry run, or a problem */
  snapshot: Snapshot | null;
}

/** Reads a knowledge base, and keeps what it holds as its next snapshot unless `dryRun` is set. The command reads with its user's rights. */
export async function ingestKnowledgeBase(
  ledger: Ledger,
  { tenant, name }: KnowledgeBaseName,
  definition: KnowledgeBase,
  dryRun: boolean,
): Promise<IngestResult> {
  const base = { tenant, name };
  const { files, passages, problems } = await ingest(definition, { within: anywhere, mayFetch: () => true });
  return ledger.transaction(async ({ knowledgeBases }) => {
    await knowledgeBases.lock(base);
    const latest = await knowledgeBases.latestSnapshot(base);
    const earlier = latest === null ? [] : await knowledgeBases.passages(latest.snapshotDigest);
    const all = [...problems, ...unreadableBefore(files, earlier)];
    const result = { ...base, files, passages: passages.length, problems: all, before: latest?.number ?? null };
    if (all.length > 0) return { ...result, difference: null, snapshotDigest: null, snapshot: null };
    return {
      ...result,
      difference: snapshotDifference(earlier, passages),
      snapshotDigest: snapshotDigest(passages),
      snapshot: dryRun ? null : (await knowledgeBases.take(base, passages)).snapshot,
    };
  });
}

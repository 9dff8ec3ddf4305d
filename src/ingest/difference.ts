import { passageDigest, type Passage, type SnapshotDifference } from '../contract/index.js';
import type { FileProblemCode } from './document.js';
import type { FileOutcome, IngestProblem } from './report.js';

const digestsOf = (passages: readonly Passage[]): Map<string, string> =>
  new Map(passages.map((passage) => [passage.passageId, passageDigest(passage)]));

/** What passages have that those of an earlier snapshot had not. */
export function snapshotDifference(before: readonly Passage[], passages: readonly Passage[]): SnapshotDifference {
  const earlier = digestsOf(before);
  const now = digestsOf(passages);
  const ids = [...now.keys()];
  const changed = ids.filter((id) => earlier.has(id) && earlier.get(id) !== now.get(id));
  return {
    new: ids.filter((id) => !earlier.has(id)),
    changed,
    gone: [...earlier.keys()].filter((id) => !now.has(id)),
    unchanged: ids.filter((id) => earlier.has(id)).length - changed.length,
  };
}

/** Of these a file may be whole again tomorrow; what a person excluded or took away is gone. */
const passing: readonly FileProblemCode[] = ['unreadable', 'unreachable', 'damaged', 'wrongEncoding', 'tooLarge'];

/** Files that an earlier snapshot has and that cannot be read now: their passages would be gone by mistake. */
export function unreadableBefore(files: readonly FileOutcome[], before: readonly Passage[]): IngestProblem[] {
  const paths = new Set(before.map(({ path }) => path));
  return files.flatMap((file): IngestProblem[] =>
    file.outcome === 'leftOut' && passing.includes(file.code) && paths.has(file.path)
      ? [
          {
            code: 'unreadableBefore',
            what: `${file.path} is in the latest snapshot, and now ${file.what}`,
            fix: `${file.fix}; exclude it to let its passages go`,
          },
        ]
      : [],
  );
}

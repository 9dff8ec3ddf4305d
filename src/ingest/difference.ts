import { passageDigest, type Passage, type SnapshotDifference } from '../contract/index.js';

/** What `passages` have that an earlier snapshot had not, by the ids and digests of its passages. */
export function snapshotDifference(
  earlier: ReadonlyMap<string, string>,
  passages: readonly Passage[],
): SnapshotDifference {
  const now = new Map(passages.map((passage) => [passage.passageId, passageDigest(passage)]));
  const ids = [...now.keys()];
  const changed = ids.filter((id) => earlier.has(id) && earlier.get(id) !== now.get(id));
  return {
    new: ids.filter((id) => !earlier.has(id)),
    changed,
    gone: [...earlier.keys()].filter((id) => !now.has(id)),
    unchanged: ids.filter((id) => earlier.has(id)).length - changed.length,
  };
}

import type { Outcome, Reward } from '../contract/index.js';

/** One candidate as selection sees it; questions B are not here, so that they can choose nothing. */
export interface TrialRecord {
  trialId: string;
  sourceId: string;
  /** position among the source's candidates */
  index: number;
  outcome: Outcome;
  /** one per repeat, in order; empty unless `scored` */
  rewards: Reward[];
  editDigest: string | null;
  /** share of the canaries that its learner knew; null where none was asked */
  canariesLost: number | null;
}

export interface Selection {
  rule: 'gain' | 'reference';
  chosen: { sourceId: string; trialId: string; reward: number; tie: boolean }[];
  /** why a source has no winner */
  without: { sourceId: string; reason: string }[];
  ties: number;
  digest: string;
}

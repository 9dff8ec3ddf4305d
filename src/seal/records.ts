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

/** What was chosen among a round's scored candidates, and why. */
export interface Selection {
  version: 1;
  rule: 'gain' | 'reference';
  /** every scored candidate, a source's together and in their order */
  candidates: {
    sourceId: string;
    trialId: string;
    /** mean over its repeats */
    reward: number;
    /** it loses no larger share of canaries than the rule allows */
    allowed: boolean;
  }[];
  chosen: { sourceId: string; trialId: string; reward: number; tie: boolean }[];
  /** why a source has no winner */
  without: { sourceId: string; reason: string }[];
  ties: number;
  digest: string;
}

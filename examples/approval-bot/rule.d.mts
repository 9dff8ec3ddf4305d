export interface Evidence {
  /** held-out match of the old policy */
  before: number | null;
  /** held-out match of the new policy */
  after: number | null;
  /** held-out questions behind these */
  questions: number;
  /** questions of general knowledge that only the old policy still answers */
  canariesLost: number | null;
  /** those that the old policy answers */
  canariesAsked: number | null;
}

export interface Limits {
  /** how far `after` may lie below `before` */
  tolerance: number;
  /** the share of the canaries that may be lost */
  lostShare: number;
}

export function decide(evidence: Evidence, limits: Limits): { decision: 'approve' | 'reject'; note: string };

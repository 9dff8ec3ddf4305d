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

/** What the rule needs of a gate's answer to the query `gates`. */
export interface GateAnswer {
  state: string;
  spec: { digest: string };
  decisions: readonly { approver: string; counted: boolean }[];
}

export function hasDecided(gate: GateAnswer, spec: { digest: string }, name: string): boolean;

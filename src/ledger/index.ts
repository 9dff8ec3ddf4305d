export { answerSchema, type Answer } from './answers.js';
export type { Completion } from './completions.js';
export { connectionReason } from './connection-reason.js';
export {
  retentionKinds,
  retentionItemSchema,
  type Corpus,
  type LongSource,
  type RetentionItem,
  type RetentionKind,
} from './corpora.js';
export { NotInLedger } from './db.js';
export type { Gate } from './gates.js';
export { Ledger, type Queries } from './ledger.js';
export { migrate } from './migrate.js';
export { LedgerUnavailable } from './outage.js';
export type { Policy, PolicyOwner } from './policies.js';
export type { Proposal, TrialProposal } from './proposals.js';
export type { ListedRelease, Release } from './releases.js';
export type { ReportSummary } from './reports.js';
export { modelOf, type PreparedRound, type RoundRow } from './rounds.js';
export type { TenantPolicyVersion } from './tenant-policies.js';
export type { PlannedTrial, Screen, Trial } from './trials.js';

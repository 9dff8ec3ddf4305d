// What a worker registers. Every export becomes a workflow type: nothing else may stand here (a test holds it).
export { approvalGate } from './approval-gate.js';
export { sealCampaign } from './seal-campaign.js';
export { sealRound } from './seal-round.js';
export { sealShard } from './seal-shard.js';
export { selfEditTrial } from './self-edit-trial.js';

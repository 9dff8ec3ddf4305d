// What a worker registers. Every export becomes a workflow type: nothing else may stand here (a test holds it).
export { approvalGate } from './gate/approval-gate.js';
export { sealCampaign } from './campaign/seal-campaign.js';
export { sealRound } from './round/seal-round.js';
export { sealShard } from './trial/seal-shard.js';
export { selfEditTrial } from './trial/self-edit-trial.js';

import type { RoundConfig } from '../../contract/index.js';
import { advantageWeighted } from './advantage-weighted.js';
import { restEm } from './rest-em.js';
import type { PolicyUpdate } from './update.js';

export type { PolicyUpdate, WeightedEdit } from './update.js';

/** The updates that a round's config names. */
export const policyUpdates: Record<RoundConfig['policy']['update'], PolicyUpdate> = {
  'rest-em': restEm,
  'advantage-weighted': advantageWeighted,
};

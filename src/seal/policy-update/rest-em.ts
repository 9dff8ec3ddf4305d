import type { PolicyUpdate } from './update.js';

/** ReST-EM, as SEAL does it: supervised training on the chosen edits, each with the same weight. */
export const restEm: PolicyUpdate = ({ chosen }) =>
  chosen.map(({ sourceId, trialId }) => ({ sourceId, trialId, weight: 1 }));

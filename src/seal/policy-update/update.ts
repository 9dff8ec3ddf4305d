import type { Selection } from '../records.js';

/** An edit that a policy learns to write, given the prompt that asked for it. */
export interface WeightedEdit {
  sourceId: string;
  trialId: string;
  /** above 0; 1 is an edit's weight in plain supervised training */
  weight: number;
}

/** What a policy learns of a round's scored candidates, in the selection's order. Pure: equal selections teach the same. */
export type PolicyUpdate = (selection: Selection) => WeightedEdit[];

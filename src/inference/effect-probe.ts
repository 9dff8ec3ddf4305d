import type { Prompt } from '../contract/index.js';
import type { AskableModel } from './model-server.js';

/** A text whose log-probabilities show whether an adapter takes effect. */
export interface EffectProbe {
  prompt: Prompt;
  continuation: string;
}

export interface Effect {
  applied: boolean;
  /** largest difference of a token's log-probability between the adapter and the model below it, in nats */
  effect: number;
  /** the same between two equal calls to the model below */
  noise: number;
}

/** Differences below this are float32's rounding in another batch, not an adapter: a training moves some token by far more. */
const resolution = 1e-4;

/**
 * Asks both models in turn, the model below twice: an adapter takes effect if it differs from it by more than it differs
 * from itself. A server that answers 200 to a load and then serves the base is found here.
 */
export async function probeEffect(below: AskableModel, adapted: AskableModel, probes: EffectProbe[]): Promise<Effect> {
  const first = await perToken(below, probes);
  const changed = await perToken(adapted, probes);
  const second = await perToken(below, probes);
  const noise = largestDifference(first, second);
  const effect = Math.min(largestDifference(changed, first), largestDifference(changed, second));
  return { applied: effect > 2 * noise + resolution, effect, noise };
}

async function perToken(model: AskableModel, probes: EffectProbe[]): Promise<number[]> {
  const asked = probes.map(({ prompt, continuation }) => model.logLikelihood(prompt, continuation));
  return (await Promise.all(asked)).flatMap(({ perToken }) => perToken);
}

function largestDifference(left: number[], right: number[]): number {
  return left.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (right[index] ?? Infinity))), 0);
}

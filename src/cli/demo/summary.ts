import { z } from 'zod';
import { roundDesign } from '../../experiment/round-design.js';
import { mean } from '../../seal/statistics.js';
import {
  armsSchema,
  outcomeCountsSchema,
  roundResultSchema,
  type Arms,
  type RoundResult,
} from '../../contract/index.js';

const roundPart = roundResultSchema.shape;

/** What `demo --json FILE` writes. */
export const demoSummarySchema = z.strictObject({
  /** from the command to the table, without the installation */
  wallSeconds: z.number().nonnegative(),
  installSeconds: z.number().nonnegative(),
  /** the highest sum of memory over all processes, shared pages counted once, sampled every two seconds */
  peakMemoryBytes: z.int().nonnegative(),
  /** wall-clock seconds of the rounds' candidate trials, by candidate edit */
  secondsPerEdit: z.number().nonnegative().nullable(),
  /** means over the rounds */
  arms: armsSchema,
  rounds: z.array(
    z.strictObject({
      id: z.string(),
      workflowId: z.string(),
      trials: outcomeCountsSchema,
      selected: roundPart.selected,
      policy: roundPart.policy,
      released: roundPart.released,
      heldOut: roundPart.heldOut.pick({ before: true, after: true, sources: true, questions: true }),
    }),
  ),
  temporalUi: z.string().nullable(),
});
export type DemoSummary = z.infer<typeof demoSummarySchema>;

export interface DemoMeasures {
  wallSeconds: number;
  installSeconds: number;
  peakMemoryBytes: number;
  secondsPerEdit: number | null;
  temporalUi: string | null;
}

/** The demo's rounds and what running them took, in a form that readers of the file can rely on. */
export function buildDemoSummary(rounds: RoundResult[], measures: DemoMeasures): DemoSummary {
  const { wallSeconds, installSeconds, peakMemoryBytes, secondsPerEdit, temporalUi } = measures;
  return {
    wallSeconds,
    installSeconds,
    peakMemoryBytes,
    secondsPerEdit,
    arms: meanArms(rounds),
    rounds: rounds.map(({ roundId, trials, selected, policy, released, heldOut }) => ({
      id: roundId,
      workflowId: roundId,
      trials,
      selected,
      policy,
      released,
      heldOut: {
        before: heldOut.before,
        after: heldOut.after,
        sources: heldOut.sources,
        questions: heldOut.questions,
      },
    })),
    temporalUi,
  };
}

/** Each arm's mean over the rounds that ran it; null where none did. */
export function meanArms(rounds: Pick<RoundResult, 'arms'>[]): Arms {
  const ids = new Set([...roundDesign.arms.map(({ id }) => id), ...rounds.flatMap(({ arms }) => Object.keys(arms))]);
  return Object.fromEntries([...ids].map((id) => [id, mean(rounds.flatMap(({ arms }) => arms[id] ?? []))]));
}

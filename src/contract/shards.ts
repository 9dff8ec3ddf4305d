import { utf8ToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { bounds } from './names.js';
import { shardIdOf, trialIdOf } from './ids.js';
import { phaseSchema, trialSpecSchema, type Phase, type TrialSpec } from './trials.js';

/**
 * How trials reach the workflows that run them: 200 full specs are more than may cross a boundary at once. A workflow decides
 * by the kind of edit and shows the rest in few words; ids follow from the position, and the spec itself stays in the ledger,
 * where every activity finds it by the trial's id.
 */

/** Bytes that a description takes in JSON, its quotes included: 200 briefs are then below 30 KB. */
const longestAboutBytes = 120;

const briefSchema = z.strictObject({ edit: z.enum(['propose', 'reuse', 'passage']), about: z.string() });

/** One trial as its workflow knows it. */
export const trialTaskSchema = briefSchema.extend({ trialId: z.string().min(1), phase: phaseSchema });
export type TrialTask = z.infer<typeof trialTaskSchema>;

/** A shard's trials in order; `first` is the position of the first one in its phase. */
const shardTrialsSchema = z.strictObject({
  first: z.int().nonnegative(),
  trials: z.array(briefSchema).max(bounds.trialsPerShard),
});
export type ShardTrials = z.infer<typeof shardTrialsSchema>;

/** What `loadShard` gives for these specs, which follow each other in their phase. */
export const shardTrialsOf = (specs: readonly TrialSpec[]): ShardTrials => ({
  first: specs[0]?.index ?? 0,
  trials: specs.map(briefOf),
});

/** Gives a shard's trials their ids. */
export const tasksOf = (
  { first, trials }: ShardTrials,
  { roundId, phase, shard }: { roundId: string; phase: Phase; shard: number },
): TrialTask[] =>
  trials.map((brief, i) => ({ ...brief, phase, trialId: trialIdOf(shardIdOf(roundId, phase, shard), first + i) }));

// Recorded histories, and runs that began before, have whole specs in both places.
export const loadedShardSchema = z.union([
  shardTrialsSchema,
  z.strictObject({ trials: z.array(trialSpecSchema) }).transform(({ trials }) => shardTrialsOf(trials)),
]);
export const givenTrialSchema = z.union([
  trialTaskSchema,
  trialSpecSchema.transform((spec) => ({ ...briefOf(spec), trialId: spec.trialId, phase: spec.phase })),
]);

const briefOf = (spec: TrialSpec): z.infer<typeof briefSchema> => ({ edit: spec.edit.kind, about: aboutOf(spec) });

/** What is tried, in a few words for the lists of the Web UI. */
const aboutOf = ({ roundId, sourceId, edit, learner, repeat }: TrialSpec): string =>
  cut(`${sourceId} · ${editText(roundId, edit)} · ${learner} learner${repeat > 0 ? ` · repeat ${repeat}` : ''}`);

function editText(roundId: string, edit: TrialSpec['edit']): string {
  switch (edit.kind) {
    case 'propose':
      return `${edit.template} by the ${edit.writer} policy`;
    case 'reuse':
      return `edit of ${edit.trialId.replace(`${roundId}.`, '')}`;
    case 'passage':
      return 'passage alone';
  }
}

function cut(text: string): string {
  const characters = Array.from(text).slice(0, longestAboutBytes);
  while (utf8ToBytes(JSON.stringify(characters.join(''))).length > longestAboutBytes) characters.pop();
  return characters.join('');
}

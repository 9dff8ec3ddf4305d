import { utf8ToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { bounds } from './names.js';
import { shardIdOf, trialIdOf } from './ids.js';
import { outcomeCountsSchema, purposeSchema, runSchema, type Purpose, type TrialSpec } from './trials.js';

/**
 * How trials reach the workflows that run them: 200 full specs are more than may cross a boundary at once. A workflow decides
 * by the kind of edit and shows the rest in few words; ids follow from the position, and the spec itself stays in the ledger,
 * where every activity finds it by the trial's id.
 */

/** Bytes that a description takes in JSON, its quotes included: 200 briefs are then below 30 KB. */
const longestAboutBytes = 100;

const briefSchema = z.strictObject({
  /** position in the purpose */
  index: z.int().nonnegative(),
  edit: z.enum(['propose', 'reuse', 'passage', 'merged', 'rules']),
  about: z.string(),
});

/** One trial as its workflow knows it. */
export const trialTaskSchema = briefSchema
  .omit({ index: true })
  .extend({ trialId: z.string().min(1), purpose: purposeSchema, run: runSchema });
export type TrialTask = z.infer<typeof trialTaskSchema>;

/** What came of a shard's trials. */
export const shardResultSchema = z.strictObject({
  outcomes: outcomeCountsSchema,
  deviceSeconds: z.number().nonnegative(),
  bestReward: z.number().nullable(),
});
export type ShardResult = z.infer<typeof shardResultSchema>;

/** A shard as the ledger has it: the trials that are still to run, in order, and what came of those that are recorded. */
export const loadedShardSchema = z.strictObject({
  run: runSchema,
  open: z.array(briefSchema).max(bounds.trialsPerShard),
  recorded: shardResultSchema,
});
export type LoadedShard = z.infer<typeof loadedShardSchema>;

/** Gives a shard's open trials their ids. */
export const tasksOf = (
  { run, open }: LoadedShard,
  { roundId, purpose, shard }: { roundId: string; purpose: Purpose; shard: number },
): TrialTask[] =>
  open.map(({ index, edit, about }) => ({
    trialId: trialIdOf(shardIdOf(roundId, purpose, shard), index),
    purpose,
    run,
    edit,
    about,
  }));

/** A trial in few words. */
export const briefOf = (spec: TrialSpec): z.infer<typeof briefSchema> => ({
  index: spec.index,
  edit: spec.edit.kind,
  about: aboutOf(spec),
});

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
    case 'merged':
      return 'all edits, merged';
    case 'rules':
      return 'rows by rule';
  }
}

function cut(text: string): string {
  const characters = Array.from(text).slice(0, longestAboutBytes);
  while (utf8ToBytes(JSON.stringify(characters.join(''))).length > longestAboutBytes) characters.pop();
  return characters.join('');
}

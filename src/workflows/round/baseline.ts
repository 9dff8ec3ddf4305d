import { isCancellation } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import { bounds } from '../../contract/index.js';
import { sentenceOf } from '../runtime/failures.js';
import type { RoundContext } from './context.js';
import { forEachConcurrently } from '../../lib/concurrency.js';

/** Parts in flight at once: trials ask the same server. */
const baselineWindow = 2;

const learners = { old: 'the policy that the round starts from', new: 'the new policy' };

/**
 * Measures what a policy answers before any training. A part that cannot be measured fails nothing: trials ask what
 * they miss, the report leaves out the documents concerned, and the round shows a note.
 */
export async function measureBaseline(round: RoundContext, learner: 'old' | 'new', sources: number): Promise<void> {
  const { roundId, call, state } = round;
  const parts = Math.ceil(sources / bounds.sourcesPerBaseline);
  const failures: string[] = [];
  await forEachConcurrently(Array.from({ length: parts }), baselineWindow, async (_, part) => {
    try {
      await call('measureBaseline', { roundId, learner, part }, `${learners[learner]}, part ${part + 1} of ${parts}`);
    } catch (error) {
      if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
      failures.push(sentenceOf(error, 300));
    }
  });
  if (failures.length === 0) return;
  state.warnings.push(
    `${failures.length} of ${parts} parts of the baseline of ${learners[learner]} could not be measured: ${failures[0] ?? ''}`,
  );
  round.show();
}

import { CancellationScope, isCancellation, log, sleep, workflowInfo } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import type { RunSettings } from '../../contract/index.js';
import { activitiesOf } from './call-activity.js';
import { sentenceOf } from './failures.js';
import { summaryOf } from './markdown.js';

const longestWaitSeconds = 86_400;

/**
 * Does a child's work, and has the child cancelled once its parent has no run any more. The server cancels the children
 * of a parent that ends, but not those of a run before a reset of the parent, which would never end. The waits between
 * two checks double, so an orphan lives at most about twice as long as it was needed, and a history stays short.
 */
export async function whileParentRuns<T>(settings: RunSettings, work: () => Promise<T>): Promise<T> {
  const { parent, workflowId } = workflowInfo();
  if (parent === undefined) return work();
  const watch = new CancellationScope();
  const watching = watch
    .run(() => look(settings, { workflowId, parentId: parent.workflowId }))
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  try {
    return await work();
  } finally {
    watch.cancel();
    await watching;
  }
}

async function look(settings: RunSettings, who: { workflowId: string; parentId: string }): Promise<void> {
  const call = activitiesOf(settings);
  for (
    let waitSeconds = 2 * settings.profiles.heartbeatSeconds;
    ;
    waitSeconds = Math.min(2 * waitSeconds, longestWaitSeconds)
  ) {
    await sleep(waitSeconds * 1000, { summary: summaryOf(`then looks whether ${who.parentId} still runs`) });
    try {
      await call('endWithParent', who, who.parentId);
    } catch (error) {
      if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
      log.warn('whether the parent still runs is not known', { ...who, why: sentenceOf(error) });
    }
  }
}

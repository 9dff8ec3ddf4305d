import { sleep } from '@temporalio/workflow';
import type { ActivityResult } from '../../contract/index.js';
import type { CallActivity } from '../runtime/call-activity.js';
import { summaryOf } from '../runtime/markdown.js';

/** With this a wait of two weeks fits into one history. */
const longestWaitSeconds = 300;

type Screened = ActivityResult<'screenSelfEdit'> & { verdict: 'allow' | 'block' };

/**
 * The screen's verdict. It is the same however fast candidates are written, because it waits until those before this
 * one are: they wait for none after them. The wait is a timer, so that it holds no worker and the history names what is
 * waited for.
 */
export async function screened(
  trialId: string,
  call: CallActivity,
  { about, firstWaitSeconds }: { about: string; firstWaitSeconds: number },
): Promise<Screened> {
  for (let waitSeconds = firstWaitSeconds; ; waitSeconds = Math.min(waitSeconds * 2, longestWaitSeconds)) {
    const { verdict, outcome, reason } = await call('screenSelfEdit', { trialId }, about);
    if (verdict !== 'wait') return { verdict, outcome, reason };
    await sleep(waitSeconds * 1000, { summary: summaryOf(reason) });
  }
}

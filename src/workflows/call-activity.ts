import { proxyActivities, sleep } from '@temporalio/workflow';
import {
  activityContracts,
  type ActivityName,
  type ActivityRequest,
  type ActivityResult,
  type RunSettings,
} from '../contract/index.js';
import { isFailure } from './failures.js';
import { summaryOf } from './markdown.js';
import { parseResult } from './parse.js';
import { activityOptions, type ProfileName } from './profiles.js';

/** Calls an activity of the contract; `summary` stands beside its events in the Web UI, `profile` replaces its own. */
export type CallActivity = <N extends ActivityName>(
  name: N,
  request: ActivityRequest<N>,
  summary: string,
  profile?: ProfileName,
) => Promise<ActivityResult<N>>;

type AnyActivities = Record<ActivityName, (request: unknown) => Promise<unknown>>;

const longestWaitSeconds = 300;

/**
 * The activities of one round, with its profiles and its tenant's share of the queues, every result parsed.
 *
 * A model server that is not there is no failed attempt: such a call ends at once, a timer says in the history what is
 * waited for, and the call is made anew, without limit and with all its attempts. The waits double up to five minutes, so
 * that two weeks of outage fit into one history.
 */
export function activitiesOf(settings: RunSettings): CallActivity {
  return async <N extends ActivityName>(
    name: N,
    request: ActivityRequest<N>,
    summary: string,
    profile?: ProfileName,
  ) => {
    const contract = activityContracts[name];
    const anyName: ActivityName = name;
    const options = { ...activityOptions(name, settings, profile), summary: summaryOf(summary) };
    const activity = proxyActivities<AnyActivities>(options)[anyName];
    const firstWait = settings.profiles.retryInitialSeconds;
    for (let waitSeconds = firstWait; ; waitSeconds = Math.min(waitSeconds * 2, longestWaitSeconds)) {
      try {
        return parseResult(contract.result, await activity(request), name) as ActivityResult<N>;
      } catch (error) {
        if (!isFailure(error, 'ServerUnavailable')) throw error;
      }
      await sleep(waitSeconds * 1000, { summary: summaryOf(`the model server does not answer, then ${name} again`) });
    }
  };
}

import { proxyActivities, sleep, uuid4 } from '@temporalio/workflow';
import {
  activityContracts,
  type ActivityName,
  type ActivityRequest,
  type ActivityResult,
  type RunSettings,
} from '../../contract/index.js';
import { summaryOf } from './markdown.js';
import { parseResult } from './parse.js';
import { awaitedOf, fractionOf, Patience } from './patience.js';
import { activityOptions, type ProfileName } from './profiles.js';

/** Calls an activity of the contract; `summary` is shown with its events in the Web UI, `profile` replaces its own. */
export type CallActivity = <N extends ActivityName>(
  name: N,
  request: ActivityRequest<N>,
  summary: string,
  profile?: ProfileName,
) => Promise<ActivityResult<N>>;

type AnyActivities = Record<ActivityName, (request: unknown) => Promise<unknown>>;

/**
 * The activities of one round, with its profiles and its tenant's share of the queues, every result parsed.
 *
 * A dependency that is absent or busy is no failed attempt: such a call ends at once, a timer in the history names what
 * is waited for, and the call is repeated, without limit and with all its attempts.
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
    const patience = new Patience(settings.profiles.retryInitialSeconds);
    for (;;) {
      try {
        return parseResult(contract.result, await activity(request), name) as ActivityResult<N>;
      } catch (error) {
        const awaited = awaitedOf(error);
        if (awaited === null) throw error;
        const waitMs = patience.nextMs(awaited.busy) * (1 + fractionOf(uuid4()) / 4);
        await sleep(waitMs, { summary: summaryOf(`${awaited.why}, then ${name} again`) });
      }
    }
  };
}

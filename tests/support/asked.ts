import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { askersOf } from '../../src/activities/callers.js';

type Activities = Record<string, (request: never) => Promise<unknown>>;
type AskersOf = Record<string, (request: unknown) => { workflowType: string; workflowId: string }[]>;

/** A workflow that asks for an activity. */
export interface Asking {
  workflowType: string;
  workflowId: string;
  runId?: string;
}

const infoOf = ({ workflowType, workflowId, runId = 'run-1' }: Asking) => ({
  workflowType,
  workflowExecution: { workflowId, runId },
});

/** Runs `work` as an activity that a workflow asks for; null: one that somebody started by itself. */
export function asking<T>(who: Asking | null, work: () => Promise<T>): Promise<T> {
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  return environment.run(() => {
    // an activity that somebody started by itself has neither
    const nobody = { inWorkflow: false, workflowType: undefined, workflowExecution: undefined };
    Object.assign(Context.current().info, who === null ? nobody : infoOf(who));
    return work();
  });
}

/** Activities as their own workflows ask for them, in the activity under way if there is one. */
export function askedRightly<A extends object>(activities: A, runId = 'run-1'): A {
  const wrapped = Object.entries(activities as Activities).map(([name, activity]) => [
    name,
    (request: never) => {
      const who = { ...firstAsker(name, request), runId };
      const context = currentContext();
      if (context === null) return asking(who, () => activity(request));
      Object.assign(context.info, infoOf(who));
      return activity(request);
    },
  ]);
  return Object.fromEntries(wrapped) as A;
}

function firstAsker(name: string, request: unknown): Asking {
  try {
    const [first] = (askersOf as unknown as AskersOf)[name]?.(request) ?? [];
    if (first !== undefined) return first;
  } catch {
    // a request that does not parse is refused for every caller
  }
  return { workflowType: 'none', workflowId: 'none' };
}

function currentContext(): Context | null {
  try {
    return Context.current();
  } catch {
    return null;
  }
}

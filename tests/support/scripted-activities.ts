import { ApplicationFailure } from '@temporalio/common';
import { admit } from '../../src/activities/callers.js';
import {
  activityContracts,
  gpuActivityNames,
  type ActivityName,
  type ActivityRequest,
  type ActivityResult,
} from '../../src/contract/index.js';
import { closedLatch } from './latch.js';

export type Answer<N extends ActivityName> = (
  request: ActivityRequest<N>,
) => ActivityResult<N> | Promise<ActivityResult<N>>;
export type Answers = { [N in ActivityName]: Answer<N> };

type AnyAnswer = (request: unknown) => unknown;

/**
 * Activities for workflow tests, typed as the contract. Each answers as usual unless a test says otherwise; every call is
 * recorded; a script that runs out fails the call for good, so that a test sees one call too many.
 */
export class ScriptedActivities {
  readonly calls: { name: ActivityName; request: unknown }[] = [];
  readonly #answers: Map<ActivityName, AnyAnswer>;
  readonly #scripts = new Map<ActivityName, AnyAnswer[]>();

  constructor(usual: Answers) {
    this.#answers = new Map(Object.entries(usual) as [ActivityName, AnyAnswer][]);
  }

  /** Every call of `name` is answered so. */
  always<N extends ActivityName>(name: N, answer: Answer<N>): this {
    this.#answers.set(name, answer as AnyAnswer);
    return this;
  }

  /** The calls of `name` are answered so, one after another, and no more than these. */
  script<N extends ActivityName>(name: N, ...answers: Answer<N>[]): this {
    this.#scripts.set(name, answers as AnyAnswer[]);
    return this;
  }

  /** Every call of `name` waits, then is answered as it was; returns what lets them through. */
  hold(name: ActivityName): () => void {
    const answer = this.#answers.get(name);
    const { passed, open } = closedLatch();
    this.#answers.set(name, async (request) => {
      await passed;
      return answer?.(request);
    });
    return open;
  }

  /** The calls of `name` so far, attempts counted. */
  requests<N extends ActivityName>(name: N): ActivityRequest<N>[] {
    return this.calls.filter((call) => call.name === name).map((call) => call.request as ActivityRequest<N>);
  }

  /** What a worker does when it is given the activity. */
  async call(name: ActivityName, request: unknown): Promise<unknown> {
    if (isOnGpu(name)) activityContracts[name].request.parse(request);
    else admit(name, request);
    this.calls.push({ name, request });
    const script = this.#scripts.get(name);
    const answer = script === undefined ? this.#answers.get(name) : script.shift();
    if (answer === undefined) throw ApplicationFailure.nonRetryable(`the script of ${name} has run out`, 'ScriptEnded');
    return await answer(request);
  }
}

const isOnGpu = (name: ActivityName): name is (typeof gpuActivityNames)[number] =>
  (gpuActivityNames as readonly ActivityName[]).includes(name);

/** An answer that fails with a type of the contract. */
export const failing =
  (type: string, { retryable = false, message = `scripted ${type}`, details = [] as unknown[] } = {}): (() => never) =>
  () => {
    throw ApplicationFailure.create({ type, message, nonRetryable: !retryable, details });
  };

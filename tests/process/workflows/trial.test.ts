import { expect, it } from 'vitest';
import {
  trialInputSchema,
  trialResultSchema,
  workflowTypes,
  type ActivityName,
  type ErrorType,
  type RunSettings,
  type TrialSpec,
  type TrialTask,
  roundConfigSchema,
  runSettingsOf,
} from '../../../src/contract/index.js';
import { timerMsOf, timersOf } from '../../support/histories.js';
import { endlessTraining, fresh, resultOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';
import { failing, type Answers, type ScriptedActivities } from '../../support/scripted-activities.js';

const settings: RunSettings = {
  ...runSettingsOf(roundConfigSchema.parse(quickRound)),
  searchAttributes: ['SealOutcome'],
};

const specOf = (trialId: string): TrialSpec => ({
  version: 1,
  trialId,
  roundId: 'demo.trials',
  purpose: 'edits',
  index: 1,
  sourceId: 'doc-1',
  edit: { kind: 'propose', writer: 'old', template: 'self-qa', seed: 1 },
  recipe: 'edit',
  learner: 'old',
  repeat: 0,
  trainingSeed: 1,
  asks: { mode: 'closedBook', splits: ['A', 'B'], otherSource: false, canaries: true },
});

const taskOf = (trialId: string): TrialTask => ({ trialId, purpose: 'edits', run: 0, edit: 'propose', about: trialId });

describeWithTemporal('a trial', () => {
  const rig = useRig();
  let trials = 0;

  /** One trial with changed activities: what it returns, and what the ledger holds. */
  const tried = async (change: (scripted: ScriptedActivities, usual: Answers) => void) => {
    const { ledger, scripted } = fresh();
    const spec = specOf(`trial-${(trials += 1)}`);
    const { trialId } = spec;
    const input = trialInputSchema.parse({ settings, trial: taskOf(trialId) });
    ledger.trials.set(trialId, spec);
    change(scripted, ledger.answers);
    const result = await rig.serving(scripted, async () =>
      trialResultSchema.parse(await resultOf(await rig.start(workflowTypes.trial, trialId, input))),
    );
    expect(ledger.outcomes.get(trialId)).toEqual(result);
    return { result, scripted };
  };

  it('is scored', async () => {
    const { result } = await tried(() => undefined);
    expect(result).toMatchObject({ outcome: 'scored', reason: '', deviceSeconds: 2, steps: 4 });
    expect(result.evaluation?.reward?.total).toBe(0.1);
  });

  it.each<[string, string, RegExp, (s: ScriptedActivities) => ScriptedActivities]>([
    [
      'an edit that does not parse',
      'invalid_edit',
      /no lines/,
      (s) => s.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: 'no lines' })),
    ],
    [
      'a blocked edit',
      'screened_out',
      /a secret/,
      (s) => s.always('screenSelfEdit', () => ({ verdict: 'block', outcome: null, reason: 'a secret' })),
    ],
    [
      'a twin',
      'duplicate',
      /as its sibling/,
      (s) => s.always('screenSelfEdit', () => ({ verdict: 'block', outcome: 'duplicate', reason: 'as its sibling' })),
    ],
    [
      'a training that diverged',
      'diverged',
      /Diverged: scripted/,
      (s) => s.always('trainAdapter', failing('Diverged')),
    ],
    [
      'a training over its budget',
      'stopped_early',
      /DeviceBudgetExceeded/,
      (s) => s.always('trainAdapter', failing('DeviceBudgetExceeded')),
    ],
    [
      'an adapter of no effect',
      'no_effect',
      /as without/,
      (s) => s.always('evaluateAdapter', () => ({ status: 'no_effect', reason: 'as without' })),
    ],
    [
      'an adapter that the server does not apply',
      'infra_failure',
      /AdapterNotApplied/,
      (s) => s.always('evaluateAdapter', failing('AdapterNotApplied', { retryable: true })),
    ],
    [
      'a corrupt data set',
      'infra_failure',
      /InvalidDataset/,
      (s) => s.always('trainAdapter', failing('InvalidDataset')),
    ],
    [
      'a bug in an activity',
      'infra_failure',
      /TypeError: oops/,
      (s) =>
        s.always('proposeSelfEdit', () => {
          throw new TypeError('oops');
        }),
    ],
    [
      'a result of another shape',
      'infra_failure',
      /InvalidResult: the result of evaluateAdapter .*evaluation: /,
      (s) => s.always('evaluateAdapter', () => ({ status: 'scored', scores: Number.NaN }) as never),
    ],
    ['no result at all', 'infra_failure', /InvalidResult/, (s) => s.always('trainAdapter', () => undefined as never)],
  ])('gives %s the outcome %s', async (_, outcome, reason, change) => {
    const { result } = await tried((s) => void change(s));
    expect(result.outcome).toBe(outcome);
    expect(result.reason).toMatch(reason);
    expect(result.evaluation).toBeNull();
  });

  it('waits until earlier candidates are written', async () => {
    const wait = () => ({ verdict: 'wait' as const, outcome: null, reason: 'waits until 1 earlier is written' });
    const { result, scripted } = await tried((s, usual) =>
      s.script('screenSelfEdit', wait, wait, wait, usual.screenSelfEdit),
    );
    expect(scripted.requests('screenSelfEdit')).toHaveLength(4);
    expect(result.outcome).toBe('scored');
  });

  it('does not ask an adapter that changes no weight', async () => {
    const { result, scripted } = await tried((s, usual) =>
      s.always('trainAdapter', async (request) => ({ ...(await usual.trainAdapter(request)), updateNorm: 0 })),
    );
    expect(result).toMatchObject({ outcome: 'no_effect', deviceSeconds: 2 });
    expect(scripted.requests('evaluateAdapter')).toEqual([]);
  });

  it.each([
    ['Diverged', 'diverged'],
    ['DeviceBudgetExceeded', 'stopped_early'],
  ])('records what a training used before it ended as %s', async (type, outcome) => {
    const { result } = await tried((s) =>
      s.always('trainAdapter', failing(type, { details: [{ deviceSeconds: 7.5 }] })),
    );
    expect(result).toMatchObject({ outcome, deviceSeconds: 7.5 });
  });

  it('tries a failed attempt again, and no more often than its profile says', async () => {
    const once = await tried((s, usual) =>
      s.script('trainAdapter', failing('OutOfMemory', { retryable: true }), usual.trainAdapter),
    );
    expect(once.result.outcome).toBe('scored');
    const always = await tried((s) => s.always('trainAdapter', failing('OutOfMemory', { retryable: true })));
    expect(always.result).toMatchObject({ outcome: 'infra_failure', reason: 'OutOfMemory: scripted OutOfMemory' });
    expect(always.scripted.requests('trainAdapter')).toHaveLength(2);
  });

  it.each<[ErrorType, ActivityName, RegExp]>([
    ['ServerUnavailable', 'evaluateAdapter', /^the model server does not answer, then evaluateAdapter again$/],
    ['ServerBusy', 'proposeSelfEdit', /^the model server is busy, then proposeSelfEdit again$/],
    ['LedgerUnavailable', 'recordOutcome', /^the ledger does not answer, then recordOutcome again$/],
    ['StoreUnavailable', 'trainAdapter', /^the artifact store cannot be used, then trainAdapter again$/],
  ])('waits for %s, more often than its profile has attempts, and says so', async (type, name, words) => {
    const outages = 3;
    const { result, scripted } = await tried((s, usual) => {
      const away = Array.from({ length: outages }, () => failing(type, { retryable: true }));
      s.script(name, ...away, usual[name]);
    });
    expect(scripted.requests(name)).toHaveLength(outages + 1);
    expect(result.outcome).toBe('scored');
    const timers = (await rig.histories()).flatMap(timersOf);
    expect(timers).toHaveLength(outages);
    for (const timer of timers) expect(timer).toMatch(words);
  });

  it('waits for a server that answers 503 to everything, and then has all of its attempts', async () => {
    const busy = failing('ServerBusy', { retryable: true, details: [{ afterMs: 300 }] });
    const broken = failing('ServerSlow', { retryable: true });
    const { result, scripted } = await tried((s, usual) =>
      s
        .script('proposeSelfEdit', busy, broken, busy, broken, usual.proposeSelfEdit)
        .script('evaluateAdapter', busy, busy, usual.evaluateAdapter),
    );
    expect(scripted.requests('proposeSelfEdit')).toHaveLength(5);
    expect(result.outcome).toBe('scored');
    const waits = (await rig.histories()).flatMap(timerMsOf);
    expect(waits).toHaveLength(4);
    for (const ms of waits) expect(ms).toBeGreaterThanOrEqual(300);
  });

  it('counts the attempts of a server that is slow', async () => {
    const { result, scripted } = await tried((s) =>
      s.always('evaluateAdapter', failing('ServerSlow', { retryable: true })),
    );
    expect(scripted.requests('evaluateAdapter')).toHaveLength(2);
    expect(result).toMatchObject({ outcome: 'infra_failure', reason: 'ServerSlow: scripted ServerSlow' });
  });

  it('is recorded as cancelled, after its trainer has let go', async () => {
    const { ledger, scripted } = fresh();
    const input = trialInputSchema.parse({ settings, trial: taskOf('cancelled-trial') });
    let letGo = false;
    scripted.always('trainAdapter', async (request) => {
      try {
        return await endlessTraining(request);
      } finally {
        letGo = true;
      }
    });
    await rig.serving(scripted, async () => {
      const trial = await rig.start(workflowTypes.trial, 'cancelled-trial', input);
      await until(() => Promise.resolve(scripted.requests('trainAdapter').length > 0));
      await trial.cancel();
      await expect(trial.result()).rejects.toThrow(/cancelled/);
    });
    expect(letGo).toBe(true);
    expect(ledger.outcomes.get('cancelled-trial')).toMatchObject({
      outcome: 'cancelled',
      trainingKey: scripted.requests('trainAdapter')[0]?.trainingKey,
    });
  });

  it('refuses to be started by hand with something else', async () => {
    const { scripted } = fresh();
    await rig.serving(scripted, async () => {
      const trial = await rig.start(workflowTypes.trial, 'by-hand', { trial: 1 });
      await expect(trial.result()).rejects.toMatchObject({ cause: { type: 'InvalidRequest' } });
    });
  });
});

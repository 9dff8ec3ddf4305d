import {
  failure,
  bounds,
  briefOf,
  shardIdOf,
  type ActivityRequest,
  type ActivityResult,
  type ModelRef,
  type Purpose,
  type TrialResult,
  type TrialSpec,
} from '../../contract/index.js';
import { modelOf, type Ledger, type PlannedTrial, type PreparedRound } from '../../ledger/index.js';
import { groupBy } from '../../lib/group-by.js';
import { modelDigest } from '../../seal/keys.js';
import type { LedgerDeps } from './deps.js';
import {
  beforeRound,
  draftConfirm,
  draftControls,
  draftCross,
  draftEdits,
  draftExamine,
  place,
  type Draft,
} from '../../experiment/trial-plan.js';

/** Writes a purpose's trials. The plan follows from what the ledger holds, so planning again finds the same one there. */
export async function planTrials(
  { ledger }: LedgerDeps,
  { roundId, purpose }: ActivityRequest<'planTrials'>,
): Promise<ActivityResult<'planTrials'>> {
  const round = await ledger.rounds.prepared(roundId);
  const cap = purpose === 'edits' ? round.config.caps.maxEditsPerRound : Infinity;
  const planned = place(roundId, purpose, await draft(ledger, round, purpose), cap);
  const run = planned.filter(({ shard }) => shard !== null).length;
  refuseTooMany(purpose, run);
  await ledger.transaction(({ trials }) => trials.plan(planned));
  return { trials: run, skipped: planned.length - run, shards: shardsOf(planned) };
}

async function draft(ledger: Ledger, round: PreparedRound, purpose: Purpose): Promise<Draft[]> {
  const { roundId, config } = round;
  const idsOf = (role: 'train' | 'heldOut'): Promise<string[]> => ledger.corpora.roundSourceIds(roundId, role);
  switch (purpose) {
    case 'edits':
      return draftEdits(config, await idsOf('train'), beforeRound(roundId, config));
    case 'controls':
      return draftControls(config, await idsOf('train'));
    case 'confirm': {
      const chosen = new Set((await ledger.selections.get(roundId))?.chosen.map(({ trialId }) => trialId));
      const specs = (await ledger.trials.ofPurpose(roundId, 'edits')).map(({ spec }) => spec);
      return draftConfirm(
        config,
        specs.filter(({ trialId }) => chosen.has(trialId)),
      );
    }
    case 'examine':
      return draftExamine(config, await idsOf('heldOut'), round.new !== null);
    case 'cross':
      return round.new === null ? [] : draftCross(await examinedByBoth(ledger, roundId));
  }
}

/** The examined trials of those documents on which both policies were scored: no other document can be compared. */
async function examinedByBoth(ledger: Ledger, roundId: string): Promise<TrialSpec[]> {
  const scored = (await ledger.trials.ofPurpose(roundId, 'examine')).filter(
    ({ result }) => result?.outcome === 'scored',
  );
  const bySource = groupBy(
    scored.map(({ spec }) => spec),
    ({ sourceId }) => sourceId,
  );
  return [...bySource.values()].filter(({ length }) => length === 2).flat();
}

function refuseTooMany(purpose: Purpose, trials: number): void {
  const most = bounds.trialsPerShard * bounds.shardsPerRound;
  if (trials > most) {
    throw failure(
      'InvalidConfig',
      `purpose "${purpose}" has ${trials} trials; a round holds at most ${most} in a purpose`,
    );
  }
}

const shardsOf = (planned: PlannedTrial[]): number => new Set(planned.flatMap(({ shard }) => shard ?? [])).size;

/**
 * A shard that begins has waited until an older run of it, and with it every trial, has ended. What is opened here is its
 * own from then on: an attempt that the older run gave up may still come, and then neither opens nor records anything.
 */
export async function loadShard(
  { ledger }: LedgerDeps,
  { roundId, purpose, shard, begins }: ActivityRequest<'loadShard'>,
): Promise<ActivityResult<'loadShard'>> {
  const shardId = shardIdOf(roundId, purpose, shard);
  return ledger.transaction(async ({ runs, trials }) => {
    if (begins !== null && (await runs.begin(shardId, begins.startedAtMs)).isNew) {
      await trials.beginRun(roundId, purpose, shard, await runs.latest(shardId));
      await trials.reopen(roundId, purpose, shard);
    }
    return {
      run: await runs.latest(shardId),
      open: (await trials.open(roundId, purpose, shard)).map(briefOf),
      recorded: await trials.tally(roundId, purpose, shard),
    };
  });
}

/** The one authority on how a trial ended: the first write wins, and every later caller is told what it was. */
export async function recordOutcome(
  { ledger }: LedgerDeps,
  { run, ...result }: ActivityRequest<'recordOutcome'>,
): Promise<TrialResult> {
  const { spec } = await ledger.trials.get(result.trialId);
  const trained =
    result.adapter === null
      ? null
      : withLayer(modelOf(await ledger.rounds.prepared(spec.roundId), spec.learner), result.adapter);
  const stands = await ledger.trials.record(result, run, trained === null ? null : modelDigest(trained));
  // nobody waits for the answer to an older run's late attempt
  return stands ?? result;
}

const withLayer = (model: ModelRef, layer: ModelRef['stack'][number]): ModelRef => ({
  ...model,
  stack: [...model.stack, layer],
});

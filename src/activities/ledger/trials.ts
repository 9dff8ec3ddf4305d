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
} from '../../contract/index.js';
import { modelOf, type Ledger, type PlannedTrial, type PreparedRound } from '../../ledger/index.js';
import { templatesOf, type Domains } from '../../domains/index.js';
import { modelDigest } from '../../seal/keys.js';
import type { LedgerDeps } from './deps.js';
import type { Design, PlanInput, PurposeSpec } from '../../experiment/design.js';
import { beforeRound, draftTrials, place, type PlanReader } from '../../experiment/trial-plan.js';

/** Writes a purpose's trials. The plan follows from what the ledger holds, so planning again finds the same one there. */
export async function planTrials(
  { ledger, domains, design }: LedgerDeps,
  { roundId, purpose }: ActivityRequest<'planTrials'>,
): Promise<ActivityResult<'planTrials'>> {
  const round = await ledger.rounds.prepared(roundId);
  const spec = purposeNamed(design, purpose);
  const drafts = await draftTrials(spec, planInputOf(round, domains), planReaderOf(ledger, roundId));
  const planned = place(roundId, purpose, drafts, spec.cap?.(round.config));
  const run = planned.filter(({ shard }) => shard !== null).length;
  refuseTooMany(purpose, run);
  await ledger.transaction(({ trials }) => trials.plan(planned));
  return { trials: run, skipped: planned.length - run, shards: shardsOf(planned) };
}

const planInputOf = ({ roundId, config, new: trained }: PreparedRound, domains: Domains): PlanInput => ({
  config,
  templates: templatesOf(domains.get(config.domain), config),
  hasNew: trained !== null,
  before: beforeRound(roundId, config),
});

const planReaderOf = (ledger: Ledger, roundId: string): PlanReader => ({
  sourceIds: (role) => ledger.corpora.roundSourceIds(roundId, role),
  trials: (purpose) => ledger.trials.ofPurpose(roundId, purpose),
  chosen: async () => new Set((await ledger.selections.get(roundId))?.chosen.map(({ trialId }) => trialId)),
});

function purposeNamed(design: Design, purpose: Purpose): PurposeSpec {
  const found = design.purposes.find(({ name }) => name === purpose);
  if (found !== undefined) return found;
  const names = design.purposes.map(({ name }) => name).join(', ');
  throw failure('InvalidRequest', `the experiment has no purpose "${purpose}"; it has ${names}`);
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
  { ledger, design }: LedgerDeps,
  { roundId, purpose, shard, begins }: ActivityRequest<'loadShard'>,
): Promise<ActivityResult<'loadShard'>> {
  const shardId = shardIdOf(roundId, purpose, shard);
  return ledger.transaction(async ({ runs, trials }) => {
    if (begins !== null && (await runs.begin(shardId, begins.startedAtMs)).isNew) {
      await trials.beginRun(roundId, purpose, shard, await runs.latest(shardId));
      await trials.reopen(roundId, purpose, shard, purposeNamed(design, purpose).settledBy ?? null);
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
  // no caller waits for a late attempt of an older run
  return stands ?? result;
}

const withLayer = (model: ModelRef, layer: ModelRef['stack'][number]): ModelRef => ({
  ...model,
  stack: [...model.stack, layer],
});

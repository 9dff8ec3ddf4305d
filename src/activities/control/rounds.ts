import { isDeepStrictEqual } from 'node:util';
import {
  failure,
  bounds,
  searchAttributes,
  type ActivityRequest,
  type ActivityResult,
  type ModelRef,
  type RoundConfig,
  type SearchAttributeName,
} from '../../contract/index.js';
import type { Source } from '../../domains/domain.js';
import type { PreparedRound } from '../../ledger/index.js';
import { readCorpus } from '../corpus.js';
import { policyAlias } from './alias.js';
import type { ControlDeps } from './deps.js';

/** Takes the round's id for its configuration, before anything is spent. */
export async function claimRound(
  { ledger, temporal }: ControlDeps,
  { roundId, config, configDigest, startedAtMs }: ActivityRequest<'claimRound'>,
): Promise<ActivityResult<'claimRound'>> {
  const trials = config.sources.train * config.editsPerSource;
  const most = bounds.trialsPerShard * bounds.shardsPerRound;
  if (trials > most) {
    throw failure(
      'InvalidConfig',
      `sources.train × editsPerSource = ${trials} trials; a round holds at most ${most}: use several rounds`,
    );
  }
  const claimed = await ledger.rounds.claim({ roundId, config, configDigest });
  if (claimed.configDigest !== configDigest) {
    throw failure(
      'RoundIdTaken',
      `the round id "${roundId}" is taken by another configuration (digest ${claimed.configDigest}; this one has ` +
        `${configDigest}), which differs in ${differing(claimed.config, config)}: start it under another id, ` +
        'or with the configuration that it has',
    );
  }
  const run = await ledger.transaction(async ({ rounds, runs }) => {
    const begun = await runs.begin(roundId, startedAtMs);
    if (begun.isNew) await rounds.reopen(roundId);
    return begun.run;
  });
  const registered = new Set(await (temporal?.searchAttributes() ?? []));
  const ours = Object.keys(searchAttributes) as SearchAttributeName[];
  return { searchAttributes: ours.filter((name) => registered.has(name)), run };
}

/** The fields that are not alike; where all are, the digest is of a version that had others. */
function differing(one: RoundConfig, other: RoundConfig): string {
  const fields = (Object.keys(one) as (keyof RoundConfig)[]).filter((key) => !isDeepStrictEqual(one[key], other[key]));
  return fields.join(', ') || 'fields of another version';
}

/** Freezes what the round runs on: corpus, question split, probes, its documents, the policy it starts from. */
export async function prepareRound(
  { ledger, domain, corpusDir }: ControlDeps,
  { roundId, model }: ActivityRequest<'prepareRound'>,
): Promise<ActivityResult<'prepareRound'>> {
  const { config, corpusDigest: prepared } = await ledger.rounds.get(roundId);
  if (prepared === null) {
    // parsed outside of the transaction: reading files must not hold locks
    const corpus = await readCorpus(config.corpus, domain, corpusDir);
    const old: ModelRef = { base: model.model, baseDigest: model.digest, stack: config.startStack };
    const idsOf = (part: Source['part'], most: number): string[] =>
      corpus.sources
        .filter((source) => source.part === part)
        .slice(0, most)
        .map(({ sourceId }) => sourceId);
    await ledger.transaction(async ({ corpora, rounds, releases }) => {
      await corpora.freeze(corpus);
      const live = await releases.live(policyAlias(config.tenant));
      const liveRelease = live?.releaseId ?? null;
      const round = await rounds.prepare(roundId, { corpusDigest: corpus.corpusDigest, model, old, liveRelease });
      // another attempt may have prepared it from files that changed since
      if (round.corpusDigest !== corpus.corpusDigest) return;
      await rounds.insertSources(roundId, 'train', idsOf('train', config.sources.train));
      await rounds.insertSources(roundId, 'heldOut', idsOf('heldOut', config.sources.heldOut));
    });
  }
  return summaryOf(ledger, await ledger.rounds.prepared(roundId));
}

async function summaryOf(
  { corpora }: ControlDeps['ledger'],
  { roundId, corpusDigest, old }: PreparedRound,
): Promise<ActivityResult<'prepareRound'>> {
  return {
    old,
    corpusDigest,
    ...(await corpora.roundCounts(roundId)),
    canaries: (await corpora.probes(corpusDigest, 'canary')).length,
  };
}

/** How the round ended, for whoever asks the ledger. Where it ended early, so did the trials that it never came to. */
export async function closeRound(
  { ledger }: ControlDeps,
  { roundId, run, status, reason }: ActivityRequest<'closeRound'>,
): Promise<ActivityResult<'closeRound'>> {
  await ledger.transaction(async ({ rounds, runs, trials }) => {
    // an older run's late attempt would end the trials of the one under way
    if ((await runs.latest(roundId)) !== run) return;
    await rounds.close(roundId, { status, reason });
    if (status === 'completed') return;
    const ended = status === 'cancelled' ? 'was cancelled' : 'failed';
    await trials.recordRest(roundId, 'cancelled', `the round ${ended} before this trial began`);
  });
  return {};
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  failure,
  bounds,
  policyAlias,
  roundIdOf,
  roundNumberOf,
  searchAttributes,
  type ActivityRequest,
  type ActivityResult,
  type ModelRef,
  type RoundConfig,
  type SearchAttributeName,
} from '../../contract/index.js';
import type { Source } from '../../domains/domain.js';
import { domainProblems } from '../../domains/index.js';
import type { Ledger, PreparedRound, Queries, RoundRow } from '../../ledger/index.js';
import { expectUsable, notesOf, readCorpus, type CorpusReading } from '../corpus/index.js';
import { anywhere, findCorpus } from '../corpus/roots.js';
import type { LedgerDeps } from './deps.js';
import { findGateRules } from './gate-rules.js';
import { checkLineage, checkWeights, listEarlierRounds } from './lineage.js';
import { expectedPairs, overBudget, paceOfLastPolicy } from './policy-budget.js';

/** Takes the round's id for its configuration, before anything is spent. */
export async function claimRound(
  { ledger, domains, temporal }: LedgerDeps,
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
  const problems = domainProblems(domains.get(config.domain), config);
  if (problems.length > 0) throw failure('InvalidConfig', problems.join('\n'));
  await refuseTaken(ledger, roundId, config);
  await checkLineage(ledger, config);
  await findGateRules(ledger, config);
  const claimed = await ledger.rounds.claim({ roundId, config, configDigest });
  if (claimed.tenant !== config.tenant) throw taken(roundId);
  // configs are compared as this version reads them: a field that it added is no difference, its digest is
  const differing = differingFields(claimed.config, config);
  if (differing.length > 0) {
    throw failure(
      'RoundIdTaken',
      `the round id "${roundId}" is taken by another configuration (digest ${claimed.configDigest}; this one has ` +
        `${configDigest}), which differs in ${differing.join(', ')}: start it under another id, ` +
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

/** An id of another tenant's is refused without a word of what is there, and a campaign's rounds are its own. */
async function refuseTaken(ledger: Queries, roundId: string, { tenant, campaign }: RoundConfig): Promise<void> {
  const there = await ledger.rounds.find(roundId);
  if (there !== null && there.tenant !== tenant) throw taken(roundId);
  if (campaign === undefined) return;
  const number = roundNumberOf(roundId);
  if (number === null || roundIdOf(campaign, number) !== roundId) {
    throw failure('InvalidConfig', `campaign: a campaign fills it in; "${roundId}" is no round of "${campaign}"`);
  }
  const stand = await ledger.rounds.campaign(campaign);
  if (stand !== null && stand.tenant !== tenant) throw taken(roundId);
}

const taken = (roundId: string): Error =>
  failure('RoundIdTaken', `the round id "${roundId}" is taken: start it under another id`);

function differingFields(one: RoundConfig, other: RoundConfig): string[] {
  const keys = Object.keys({ ...one, ...other }) as (keyof RoundConfig)[];
  return keys.filter((key) => !isDeepStrictEqual(one[key], other[key]));
}

/** Freezes what the round runs on: corpus, question split, retention, its documents, the policy it starts from. */
export async function prepareRound(
  deps: LedgerDeps,
  { roundId, model }: ActivityRequest<'prepareRound'>,
): Promise<ActivityResult<'prepareRound'>> {
  const { ledger } = deps;
  const round = await ledger.rounds.get(roundId);
  const { config } = round;
  if (round.corpusDigest === null) {
    // parsed outside of the transaction: reading files must not hold locks
    const reading = await loadRoundCorpus(deps, config, model.maxLength);
    const { corpus, usable } = reading;
    const corpusNotes = notesOf(reading);
    const old: ModelRef = { base: model.model, baseDigest: model.digest, stack: config.startStack };
    const idsOf = (part: Source['role'], most: number): string[] =>
      usable
        .filter((source) => source.role === part)
        .slice(0, most)
        .map(({ sourceId }) => sourceId);
    await checkWeights(ledger, config, old);
    const train = idsOf('train', config.sources.train);
    await checkPolicyBudget(ledger, round, old, train.length);
    await ledger.transaction(async ({ corpora, rounds, releases }) => {
      await corpora.freeze(corpus);
      const live = await releases.live(policyAlias(config));
      const liveRelease = live?.releaseId ?? null;
      const { corpusDigest } = corpus;
      const stored = await rounds.prepare(roundId, { corpusDigest, model, old, liveRelease, corpusNotes });
      // another attempt may have prepared it from files that changed since
      if (stored.corpusDigest !== corpusDigest) return;
      await rounds.insertSources(roundId, 'train', train);
      await rounds.insertSources(roundId, 'heldOut', idsOf('heldOut', config.sources.heldOut));
    });
  }
  return summarize(ledger, await ledger.rounds.prepared(roundId));
}

/** Refuses, before any trial is paid for, a round whose policy could not be trained in the end. */
async function checkPolicyBudget(ledger: Ledger, round: RoundRow, old: ModelRef, documents: number): Promise<void> {
  const { config } = round;
  const pace = await paceOfLastPolicy(ledger, { tenant: config.tenant, model: old.base, baseDigest: old.baseDigest });
  if (pace === null) return;
  const pairs = await expectedPairs(ledger, config, await listEarlierRounds(ledger, round), documents);
  const problem = overBudget(config, pairs, pace);
  if (problem !== null) throw failure('InvalidConfig', problem);
}

/** @throws InvalidCorpus where it cannot be used */
async function loadRoundCorpus(
  { domains, corpusDir, corpusRoots }: LedgerDeps,
  { domain: domainName, corpus: name, tenant, promptStyle, sampling }: RoundConfig,
  limit: number,
): Promise<CorpusReading> {
  const domain = domains.get(domainName);
  const sampleDir = join(corpusDir, domain.id);
  if (name === 'sample' && !existsSync(sampleDir)) {
    throw failure('InvalidCorpus', `the domain "${domain.id}" has no sample corpus: name a file or a folder`);
  }
  const found = name === 'sample' ? { path: sampleDir, within: anywhere } : await findCorpus(name, corpusRoots, tenant);
  const reading = await readCorpus({ name, sampleDir, ...found }, domain, {
    promptStyle,
    maxTokens: sampling.maxTokens,
    limit,
  });
  expectUsable(reading);
  return reading;
}

async function summarize(
  { corpora }: LedgerDeps['ledger'],
  { roundId, corpusDigest, corpusNotes, old }: PreparedRound,
): Promise<ActivityResult<'prepareRound'>> {
  return {
    old,
    corpusDigest,
    ...(await corpora.roundCounts(roundId)),
    canaries: (await corpora.retention(corpusDigest, 'canary')).length,
    notes: corpusNotes,
  };
}

/** How the round ended, for readers of the ledger. If it ended early, so did the trials that it never reached. */
export async function closeRound(
  { ledger }: LedgerDeps,
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

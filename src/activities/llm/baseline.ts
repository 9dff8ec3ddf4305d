import type { ActivityRequest, ActivityResult } from '../../contract/index.js';
import type { Arm, Item, Source } from '../../domains/domain.js';
import { modelOf, type Probe } from '../../ledger/index.js';
import { questionsOf } from '../questions.js';
import { answersOf, type Asked } from './answers.js';
import type { Asking, LlmRun } from './deps.js';

/**
 * What the learner answers before any training: every question of the round's documents from memory, canaries and the frozen
 * set; and the old policy also the training documents' questions B with the document before it.
 */
export async function measureBaseline(
  run: LlmRun,
  { roundId, learner }: ActivityRequest<'measureBaseline'>,
): Promise<ActivityResult<'measureBaseline'>> {
  const { ledger, domain } = run;
  const round = await ledger.rounds.prepared(roundId);
  const asking = { domain, style: round.config.promptStyle };
  const train = await ledger.corpora.roundSources(roundId, 'train');
  const heldOut = await ledger.corpora.roundSources(roundId, 'heldOut');
  const probes = [
    ...(await ledger.corpora.probes(round.corpusDigest, 'canary')),
    ...(await ledger.corpora.probes(round.corpusDigest, 'frozen')),
  ];
  const questions = [
    ...[...train, ...heldOut].flatMap((source) => ask(asking, source, source.items, 'closedBook')),
    ...askProbes(asking, probes),
    ...(learner === 'old' ? train.flatMap((source) => ask(asking, source, part(source, 'B'), 'inContext')) : []),
  ];
  const { asked } = await answersOf(run, modelOf(round, learner), questions, `baseline of the ${learner} policy`);
  return { asked, cached: questions.length - asked };
}

export const part = ({ items }: Source, which: Item['part']): Item[] => items.filter((item) => item.part === which);

export function ask(asking: Asking, source: Source | null, items: Item[], arm: Arm): Asked[] {
  return questionsOf(asking, source, items, arm).map((question) => ({ ...question, arm }));
}

/** Canaries and the frozen set belong to no source, hence to no part; the digest of an item does not hold its part. */
export const askProbes = (asking: Asking, probes: Probe[]): Asked[] =>
  ask(
    asking,
    null,
    probes.map((probe) => ({ ...probe, part: 'B' })),
    'closedBook',
  );

import type { ActivityRequest, ActivityResult } from '../../contract/index.js';
import { modelOf } from '../../ledger/index.js';
import { answersOf } from './answers.js';
import { ask, askProbes, part } from './asked.js';
import type { LlmRun } from './deps.js';

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

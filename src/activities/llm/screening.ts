import { activityContracts, type ActivityRequest, type ActivityResult } from '../../contract/index.js';
import { screenEdit } from '../../governance/screen.js';
import type { Proposal } from '../../ledger/index.js';
import type { LlmRun } from './deps.js';
import { secretFindings } from './secrets.js';

/** Characters of a reason, which travels through histories; the ledger keeps all the evidence. */
const longestReason = 1000;

/**
 * Screens what a model wrote before anything is trained on it, and keeps verdict and evidence with the trial. A passage is
 * the round's own source, and an edit used again was screened when it was proposed. An edit is compared with those
 * of its writer before it, so it is not judged before these are written.
 */
export async function screenSelfEdit(
  { ledger, domains }: LlmRun,
  { trialId }: ActivityRequest<'screenSelfEdit'>,
): Promise<ActivityResult<'screenSelfEdit'>> {
  const { spec, proposalKey, screen } = await ledger.trials.get(trialId);
  if (screen !== null) return resultOf(screen);
  if (spec.edit.kind !== 'propose' || proposalKey === null) {
    const reason = `not screened: ${spec.edit.kind === 'propose' ? 'nothing was proposed' : spec.edit.kind}`;
    const stored = await ledger.trials.setScreen(trialId, { verdict: 'allow', outcome: null, reason });
    return resultOf(stored.screen);
  }
  // of two equal edits of one writer the first stays, whichever is written first
  const { writer } = spec.edit;
  const unwritten = await ledger.trials.unwrittenBefore(spec, writer);
  if (unwritten > 0) {
    const reason = `waits until ${unwritten} earlier candidates of ${spec.sourceId} are written`.slice(
      0,
      longestReason,
    );
    return { verdict: 'wait', outcome: null, reason };
  }
  const { config, corpusDigest } = await ledger.rounds.prepared(spec.roundId);
  const domain = domains.get(config.domain);
  const source = await ledger.corpora.source(corpusDigest, spec.sourceId);
  const proposal = await ledger.proposals.get(proposalKey);
  const editText = proposal === null ? '' : textOf(proposal);
  const siblings = await ledger.proposals.siblings({ ...spec, before: spec.index, writer });
  const { verdict, outcome, findings } = screenEdit(
    {
      source: { text: domain.sourceText(source.content) },
      siblings: siblings.map((sibling) => ({ trialId: sibling.trialId, text: textOf(sibling) })),
      editText,
      items: source.items.map(({ itemId, content }) => ({ itemId, question: domain.itemText(content) })),
    },
    await secretFindings(editText),
  );
  const reason = findings
    .map(({ rule, evidence }) => `${rule}: ${evidence}`)
    .join('; ')
    .slice(0, longestReason);
  const stored = await ledger.trials.setScreen(trialId, { verdict, outcome, reason, findings });
  return resultOf(stored.screen);
}

/** All that the model wrote for an edit, its plan too: the policy may be trained on it. */
const textOf = ({ completions }: Proposal): string => completions.join('\n\n');

/** The verdict without its evidence, which stays in the ledger. */
function resultOf(screen: unknown): ActivityResult<'screenSelfEdit'> {
  return activityContracts.screenSelfEdit.result.strip().parse(screen);
}

import {
  type Purpose,
  canonicalDigest,
  resolveRecipe,
  type ActivityRequest,
  type ActivityResult,
  type Example,
  type TrialSpec,
} from '../../contract/index.js';
import type { Directives, Source } from '../../domains/domain.js';
import { modelOf, type PreparedRound, type Proposal } from '../../ledger/index.js';
import { matchedEpochs, readDirectives } from '../../seal/directives.js';
import { proposalKey } from '../../seal/keys.js';
import { runOf, type LlmRun, type RoundRun } from './deps.js';
import { publishTraining } from './training.js';
import { knownPrompts, write } from './writing.js';

/** What a trial trains on. `proposal` is null where it is not the text of one completion. */
type Edit =
  | { ok: true; proposal: Proposal | null; examples: Example[]; directives: Directives }
  | { ok: false; proposal: Proposal | null; reason: string };

/**
 * Has the writer propose a self-edit, or takes the one that the trial names, and decides how to train on it. Everything
 * but the writer's words follows from the ledger, and the first words recorded under a proposal's key are kept, so a
 * retried attempt ends with the same training.
 */
export async function proposeSelfEdit(
  llm: LlmRun,
  { trialId }: ActivityRequest<'proposeSelfEdit'>,
): Promise<ActivityResult<'proposeSelfEdit'>> {
  const { ledger } = llm;
  const { spec } = await ledger.trials.get(trialId);
  const round = await ledger.rounds.prepared(spec.roundId);
  const run = runOf(llm, round);
  const source = await ledger.corpora.source(round.corpusDigest, spec.sourceId);
  const edit = await resolveEdit(run, round, spec, source);
  const key = edit.proposal?.proposalKey ?? null;
  if (!edit.ok) {
    await ledger.trials.setProposal(trialId, key, null);
    return { status: 'invalid', editDigest: edit.proposal?.editDigest ?? null, reason: edit.reason };
  }
  const { training, clamps } = await publishTraining(run, round, spec, edit);
  const stored = await ledger.trials.setProposal(trialId, key, training);
  return {
    status: 'proposed',
    editDigest: edit.proposal?.editDigest ?? digestOf(edit),
    examples: edit.examples.length,
    clamps: (edit.proposal?.clamps.length ?? 0) + clamps.length,
    training: stored.training ?? training,
  };
}

async function resolveEdit(run: RoundRun, round: PreparedRound, spec: TrialSpec, source: Source): Promise<Edit> {
  const { edit } = spec;
  switch (edit.kind) {
    case 'passage':
      return passage(run, round, source, edit.matchedTo);
    case 'merged':
      return merged(run, round, source, edit.of);
    case 'rules':
      return rules(run, round, source);
    case 'reuse': {
      const other = await run.ledger.trials.get(edit.trialId);
      if (other.spec.edit.kind !== 'propose') return resolveEdit(run, round, other.spec, source);
      const proposal = other.proposalKey === null ? null : await run.ledger.proposals.get(other.proposalKey);
      return proposal === null
        ? { ok: false, proposal, reason: `trial ${edit.trialId}, whose edit was to be used again, proposed none` }
        : usable(proposal);
    }
    case 'propose':
      return usable(await findOrWriteProposal(run, round, source, edit));
  }
}

/** The passage alone, trained on about as many tokens as the source's edits have that it is matched to. */
async function passage(
  { domain, ledger }: RoundRun,
  { roundId, config }: PreparedRound,
  source: Source,
  matchedTo: Purpose | null,
): Promise<Edit> {
  const examples = domain.rawExamples(source.content, config.promptStyle);
  if (matchedTo === null) return { ok: true, proposal: null, examples, directives: {} };
  const siblings = { roundId, sourceId: source.sourceId, purpose: matchedTo, before: null, writer: null };
  const edits = examplesOf(await ledger.proposals.siblings(siblings));
  const epochs = matchedEpochs(resolveRecipe(config.recipe), examples, edits);
  return { ok: true, proposal: null, examples, directives: epochs === null ? {} : { epochs } };
}

/** Directives are of one edit, and say nothing of the rows of several. */
async function merged(
  { domain, ledger }: RoundRun,
  { roundId }: PreparedRound,
  source: Source,
  of: Purpose,
): Promise<Edit> {
  const scored = await ledger.proposals.scored({ roundId, sourceId: source.sourceId, purpose: of });
  const examples = domain.mergeExamples(examplesOf(scored));
  if (examples.length === 0) return { ok: false, proposal: null, reason: `no edit of ${source.sourceId} was scored` };
  return { ok: true, proposal: null, examples, directives: {} };
}

function rules({ domain }: RoundRun, { config }: PreparedRound, source: Source): Edit {
  const examples = domain.ruleExamples(source.content, config.promptStyle);
  if (examples.length === 0) {
    return { ok: false, proposal: null, reason: `the rules of ${domain.id} make no row of ${source.sourceId}` };
  }
  return { ok: true, proposal: null, examples, directives: {} };
}

/** The training sequences of each usable edit. */
const examplesOf = (edits: Proposal[]): Example[][] =>
  edits.flatMap(({ examples }) => (examples === null ? [] : [examples]));

function usable(proposal: Proposal): Edit {
  const { examples, directivesUsed, invalidReason } = proposal;
  if (examples === null) return { ok: false, proposal, reason: invalidReason ?? 'the completion is no edit' };
  return { ok: true, proposal, examples, directives: readDirectives(directivesUsed).directives };
}

/** The first write of a key wins; a proposal that is in the ledger, of this round or an earlier one, is not asked again. */
async function findOrWriteProposal(
  run: RoundRun,
  round: PreparedRound,
  source: Source,
  { writer: version, template, seed }: Extract<TrialSpec['edit'], { kind: 'propose' }>,
): Promise<Proposal> {
  const { sampling, promptStyle: style } = round.config;
  const writer = modelOf(round, version);
  const steps = run.domain.proposal(source.content, template, style);
  const prompts = knownPrompts(steps);
  const key = proposalKey({
    writer,
    source: source.content,
    prompts,
    template,
    parser: run.domain.parser,
    sampling,
    seed,
  });
  const known = await run.ledger.proposals.get(key);
  if (known !== null) return known;
  const written = await write(run, writer, steps, source, { ...sampling, seed });
  const parsed = run.domain.parseEdit(source.content, written.completions, template, style);
  const asked = { proposalKey: key, sourceId: source.sourceId, template, seed, writer, ...written };
  if (!parsed.ok) {
    return run.ledger.proposals.insert({
      ...asked,
      editDigest: null,
      invalidReason: parsed.reason,
      directivesProposed: null,
      directivesUsed: null,
      clamps: [],
      examples: null,
    });
  }
  const { examples, directives, proposed, clamps } = parsed;
  return run.ledger.proposals.insert({
    ...asked,
    editDigest: digestOf({ examples, directives }),
    invalidReason: null,
    directivesProposed: proposed,
    directivesUsed: directives,
    // the round's caps are another matter: a later round with others meets this proposal, too
    clamps,
    examples,
  });
}

const digestOf = ({ examples, directives }: { examples: Example[]; directives: Directives }): string =>
  canonicalDigest({ examples, directives });

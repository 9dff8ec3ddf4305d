import { failure, type ModelRef, type RoundConfig } from '../../contract/index.js';
import type { Queries, RoundRow } from '../../ledger/index.js';

/** Earlier rounds of its campaign that a round learns from. */
const roundsCarried = 100;

/**
 * Refuses a round that would learn from rounds, or start from a policy, that its tenant does not have. Those of another
 * tenant count as unknown.
 * @throws InvalidConfig
 */
export async function checkLineage(ledger: Queries, config: RoundConfig): Promise<void> {
  const problems: string[] = [];
  for (const id of config.earlierRounds) {
    const problem = await findProblem(ledger, id, config);
    if (problem !== null) problems.push(`earlierRounds: ${problem}`);
  }
  if (config.startStack.length > 0 && !(await ledger.policies.knows(config.startStack, config))) {
    problems.push(
      `startStack: no round of the tenant "${config.tenant}" trained a policy of these layers on "${config.model}"; ` +
        "take the stack of a release, or of a round's result",
    );
  }
  if (problems.length > 0) throw failure('InvalidConfig', problems.join('\n'));
}

async function findProblem(ledger: Queries, roundId: string, config: RoundConfig): Promise<string | null> {
  const round = await ledger.rounds.find(roundId);
  if (round?.tenant !== config.tenant) return `the tenant "${config.tenant}" has no round "${roundId}"`;
  for (const field of ['domain', 'model', 'promptStyle'] as const) {
    if (round.config[field] === config[field]) continue;
    return `round "${roundId}" has ${field} "${round.config[field]}", this one "${config[field]}": its pairs do not fit`;
  }
  return null;
}

/**
 * Refuses a policy that was trained on other weights under the model's name.
 * @throws InvalidConfig
 */
export async function checkWeights(
  ledger: Queries,
  { tenant, startStack }: RoundConfig,
  { base, baseDigest }: ModelRef,
): Promise<void> {
  if (startStack.length === 0 || (await ledger.policies.knows(startStack, { tenant, model: base, baseDigest }))) return;
  throw failure(
    'InvalidConfig',
    `startStack: its policy was trained on other weights of "${base}" than the runner has (${baseDigest.slice(0, 12)})`,
  );
}

/** The rounds before it whose chosen pairs a round learns from. */
export async function listEarlierRounds(ledger: Queries, round: RoundRow): Promise<string[]> {
  const ofCampaign = await ledger.rounds.earlierInCampaign(round, roundsCarried);
  return [...new Set([...round.config.earlierRounds, ...ofCampaign])].filter((earlier) => earlier !== round.roundId);
}

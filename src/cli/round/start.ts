import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { policyAlias } from '../../contract/index.js';
import { idProblem, taskQueues, workflowTypes, type RoundConfig } from '../../contract/index.js';
import { shellWord } from '../../lib/shell-word.js';
import type { Release } from '../../ledger/index.js';
import type { Session } from '../connect.js';
import { CliError, exitCodes } from '../errors.js';
import { withLedger } from '../ledger.js';
import { say } from '../output.js';
import { safeText } from '../text/safe-text.js';
import { withCorpusFrom } from './config.js';

/** Starts a round; a corpus of this machine is looked for from here where its worker runs here too. */
export async function startRound({ client, stack }: Session, roundId: string, config: RoundConfig): Promise<void> {
  const problem = oddId(roundId);
  if (problem !== null) throw new CliError(problem, exitCodes.usage);
  const input = stack === null ? config : withCorpusFrom(process.cwd(), config);
  try {
    await client.workflow.start(workflowTypes.round, {
      taskQueue: taskQueues.workflow,
      workflowId: roundId,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      args: [input],
      staticSummary: `${safeText(input.model).replaceAll(/[^\p{L}\p{N}./_-]/gu, ' ')} · ${input.sources.train} sources × ${input.editsPerSource} edits`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new CliError(
      `there is a round "${roundId}" already: \`npx selkie round status ${shellWord(roundId)}\`, or give another --id`,
    );
  }
}

/** Ids stand in commands and addresses: what would have to be quoted there is refused, which Temporal would take. */
const oddId = (id: string): string | null =>
  idProblem(id, 'round') ??
  (/^[\p{L}\p{M}\p{N}][\p{L}\p{M}\p{N}._:@+-]*$/u.test(id)
    ? null
    : `"${id}" is no good id for a round: take letters, digits, dashes and dots`);

const livePolicy = (config: RoundConfig): Promise<Release | null> =>
  withLedger((ledger) => ledger.releases.live(policyAlias(config)));

/** The same round from the policy that is live. */
export async function fromReleased(config: RoundConfig): Promise<RoundConfig> {
  if (config.startStack.length > 0) {
    throw new CliError('the config names a startStack: leave that out, or --from', exitCodes.usage);
  }
  const live = await livePolicy(config);
  if (live === null) {
    throw new CliError(`nothing is released as ${policyAlias(config)} yet: leave --from out`);
  }
  return { ...config, startStack: live.model.stack };
}

/** Warns that a round from the base was compared with no live policy and so cannot replace it, where there is one. */
export async function sayWhatIsLive({ stack }: Session, config: RoundConfig): Promise<void> {
  if (stack === null || config.startStack.length > 0) return;
  const live = await livePolicy(config).catch(() => null);
  if (live === null) return;
  say(
    `release ${live.releaseId} is live as ${live.alias}, and this round starts from the base: it is not compared with that policy and cannot replace it. --from released starts from it.`,
  );
}

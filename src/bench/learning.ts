import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { percent } from '../lib/format.js';
import { intervalText } from '../experiment/interval-text.js';
import { roundDesign } from '../experiment/round-design.js';
import type { Interval } from '../seal/statistics.js';
import type { RoundReport } from '../experiment/round-report.js';
import { ArtifactStore } from '../artifacts/index.js';
import { taskQueues, workflowTypes, type CampaignConfigInput, type RoundResult } from '../contract/index.js';
import { clientOf, layoutOf, StackError, startStack, type Stack } from '../stack/index.js';
import { attend, awaitResults } from './campaign.js';
import type { Bench, BenchContext, BenchResult } from './bench.js';

/** Points of match that the chosen edits must gain on questions B. */
const promised = 0.1;

/** Every document of the corpus: as many as there are. */
const everyDocument = { train: 1000, heldOut: 1000 };

interface Choice {
  rounds: number;
  corpus: string;
}

const usage = `npm run bench -- learning [--rounds N] [--corpus FILE OR FOLDER] [--json]
  --rounds N    rounds in a row, each from the policy of the one before (2)
  --corpus PATH documents with questions of your own instead of the sample; every one of them is used`;

const config = ({ rounds, corpus }: Choice): CampaignConfigInput => ({
  rounds,
  round: {
    corpus,
    sources: everyDocument,
    requestedBy: 'selkie bench',
    gate: { approvers: ['bench'], onTimeout: 'hold' },
  },
});

/**
 * Does a self-edit teach? Two rounds (or `--rounds N`) on every document of the sample corpus with the default model
 * and recipe. Edits are chosen on questions A and trained again with fresh seeds; every number is of questions B, which
 * chose nothing.
 */
const learning: Bench = {
  summary: 'what chosen self-edits teach, against the base, the raw passage and another source’s questions',
  usage,
  run,
};
export default learning;

async function run({ onProgress, args }: BenchContext): Promise<BenchResult> {
  const campaignConfig = config(choiceOf(args));
  const stack = await startStack({ home: join(layoutOf().home, 'bench'), onProgress });
  const client = await clientOf(stack);
  try {
    const campaign = `demo.learning-${Date.now().toString(36)}`;
    await client.workflow.start(workflowTypes.campaign, {
      taskQueue: taskQueues.workflow,
      workflowId: campaign,
      args: [campaignConfig],
    });
    const stop = attend(client, campaign, 'bench', onProgress);
    const results = await awaitResults(client, campaign).finally(stop);
    const rounds = await Promise.all(results.map((result) => roundNumbers(stack, result)));
    return {
      json: { bench: 'learning', promised, rounds },
      text: rounds.map(textOf).join('\n\n'),
      passed: holds(rounds[0]),
    };
  } finally {
    await client.connection.close();
    await stack.stop();
  }
}

/** Exported for its test. */
export function choiceOf(args: readonly string[]): Choice {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { rounds: { type: 'string', default: '2' }, corpus: { type: 'string' } },
    });
    const { rounds, corpus } = values;
    if (/^[1-9]\d{0,3}$/.test(rounds)) return { rounds: Number(rounds), corpus: pathOf(corpus) };
  } catch (error) {
    if (error instanceof StackError) throw error;
    // an option that it does not have
  }
  throw new StackError(`learning was called in a wrong way.\n${usage}`);
}

/** From where one types: npm runs its scripts elsewhere. */
function pathOf(corpus: string | undefined): string {
  if (corpus === undefined || corpus === 'sample') return 'sample';
  const path = resolve(process.env['INIT_CWD'] ?? process.cwd(), corpus);
  if (!existsSync(path)) throw new StackError(`there is no corpus ${path}`);
  return path;
}

type RoundNumbers = Awaited<ReturnType<typeof roundNumbers>>;

async function roundNumbers(stack: Stack, { roundId, report }: RoundResult) {
  const artifact = await new ArtifactStore(stack.store).open(report);
  const { arms, contrasts, heldOut, gain, candidates, selection, deviceSeconds, retention } = JSON.parse(
    await artifact.text('report.json'),
  ) as RoundReport;
  const gainOf = (id: string): Interval | null => contrasts.find((contrast) => contrast.id === id)?.gain ?? null;
  return {
    roundId,
    arms: Object.fromEntries(arms.map(({ id, mean }) => [id, mean])),
    documents: Object.fromEntries(arms.map(({ id, documents }) => [id, documents])),
    /** chosen − base, and chosen − the same adapters on another source's questions, with 95 % intervals over documents */
    gainOverBase: gainOf('chosenOnB'),
    gainOverOtherSource: gainOf('ownOverOther'),
    gainOfRawPassage: gainOf('rawPassage'),
    heldOut,
    heldOutGain: gain,
    outcomes: candidates,
    selected: selection?.chosen.length ?? 0,
    ties: selection?.ties ?? 0,
    canaries: retention.canaries,
    deviceSeconds: deviceSeconds.total,
  };
}

/** The first round's chosen edits gain what is promised over base and over the control, and no interval reaches 0. */
function holds(round: RoundNumbers | undefined): boolean {
  return (
    round !== undefined &&
    [round.gainOverBase, round.gainOverOtherSource].every(
      (gain) => gain?.estimate != null && gain.low !== null && gain.estimate >= promised && gain.low > 0,
    )
  );
}

function textOf({
  roundId,
  arms,
  documents,
  gainOverBase,
  gainOverOtherSource,
  heldOut,
  heldOutGain,
}: RoundNumbers): string {
  return [
    `${roundId}: match on questions B, ${documents['chosenOnB'] ?? 0} documents`,
    ...roundDesign.arms.map(({ id, label }) => `  ${label}: ${percent(arms[id] ?? null)}`),
    `  chosen over base ${gainText(gainOverBase)} · over other source ${gainText(gainOverOtherSource)}`,
    `  held out (${heldOut.sources} documents) before ${percent(heldOut.before)} · after ${percent(heldOut.after)} · gain ${intervalText(heldOutGain)}`,
  ].join('\n');
}

const gainText = (gain: Interval | null): string => (gain === null ? '–' : intervalText(gain));

import type { ModelRef, Prompt, RoundConfig } from '../../contract/index.js';
import type { ProposalStep, Source } from '../../domains/domain.js';
import type { AskableModel } from '../../inference/index.js';
import type { Completion, Proposal } from '../../ledger/index.js';
import { completionKey } from '../../seal/keys.js';
import type { RoundRun } from './deps.js';

type Written = Pick<Proposal, 'prompts' | 'completions' | 'tokens'>;
type Sampling = RoundConfig['sampling'] & { seed: number };

/**
 * What the writer answers to each step. Steps that need no other step are written at once, each with its own sampling
 * seed. Every completion is stored when it arrives, and a stored one is not asked for again.
 */
export async function write(
  run: RoundRun,
  writer: ModelRef,
  steps: ProposalStep[],
  source: Source,
  sampling: Sampling,
): Promise<Written> {
  const { domain, leases, signal, progress } = run;
  progress.begin(`self-edit of ${source.sourceId}`, steps.length);
  const probes = knownPrompts(steps)
    .slice(0, 1)
    .map((prompt) => ({ prompt, continuation: domain.label(source.content) }));
  return leases.withModel(writer, probes, signal, async (served) => {
    const prompts: Prompt[] = [];
    const written: Promise<Completion>[] = [];
    try {
      for (const [step, { prompt }] of steps.entries()) {
        const asked =
          typeof prompt === 'function' ? prompt((await Promise.all(written)).map(({ text }) => text)) : prompt;
        prompts.push(asked);
        written.push(complete(run, served, writer, asked, { ...sampling, seed: sampling.seed + step }));
      }
      const all = await Promise.all(written);
      return {
        prompts,
        completions: all.map(({ text }) => text),
        tokens: all.reduce((sum, { tokens }) => sum + tokens, 0),
      };
    } catch (error) {
      run.giveUp(error);
      await Promise.allSettled(written);
      throw error;
    }
  });
}

async function complete(
  { ledger, progress, turn }: RoundRun,
  served: AskableModel,
  writer: ModelRef,
  prompt: Prompt,
  sampling: Sampling,
): Promise<Completion> {
  const key = completionKey({ writer, prompt, sampling });
  const known = (await ledger.completions.find([key])).get(key);
  if (known !== undefined) return known;
  const { texts, completionTokens } = await turn(() => served.generate(prompt, sampling));
  const kept = await ledger.completions.insert(key, { text: texts[0] ?? '', tokens: completionTokens });
  progress.step();
  return kept;
}

/** The prompts that are known before anything is written: the first, and every one that waits for no other. */
export const knownPrompts = (steps: ProposalStep[]): Prompt[] =>
  steps.flatMap(({ prompt }, step) => {
    if (typeof prompt !== 'function') return [prompt];
    return step === 0 ? [prompt([])] : [];
  });

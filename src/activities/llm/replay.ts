import { mediaTypes, type ArtifactRef, type Example, type ModelRef, type Prompt } from '../../contract/index.js';
import { completionKey } from '../../seal/keys.js';
import { forEachConcurrently } from '../../lib/concurrency.js';
import type { RoundRun } from './deps.js';

/** Prompts of one model that are open at once. */
const openPrompts = 16;
/** An answer's first line is enough to keep what the model knows of it. */
const sampling = { maxTokens: 24, temperature: 0, topP: 1, seed: 0 };
const stop = ['\n'];

/** The learner's answers to the domain's replay prompts. Each is kept as it comes, and none that is kept is asked again. */
export async function answerReplay(run: RoundRun, learner: ModelRef): Promise<string[]> {
  const prompts = run.domain.replayPrompts.map((text): Prompt & { kind: 'text' } => ({ kind: 'text', text }));
  const keyOf = (prompt: Prompt): string => completionKey({ writer: learner, prompt, sampling: { ...sampling, stop } });
  const known = await run.ledger.completions.find(prompts.map(keyOf));
  const missing = prompts.filter((prompt) => !known.has(keyOf(prompt)));
  if (missing.length > 0) {
    run.progress.begin('what the learner knows, for replay', missing.length);
    const probes = missing.slice(0, 1).map((prompt) => ({ prompt, continuation: ' It is' }));
    await run.leases.withModel(learner, probes, run.signal, (served) =>
      forEachConcurrently(
        missing,
        openPrompts,
        async (prompt) => {
          const { texts, completionTokens } = await run.turn(() => served.generate(prompt, { ...sampling, stop }));
          const key = keyOf(prompt);
          known.set(key, await run.ledger.completions.insert(key, { text: texts[0] ?? '', tokens: completionTokens }));
          run.progress.step();
        },
        run.giveUp,
      ),
    );
  }
  return prompts.map((prompt) => known.get(keyOf(prompt))?.text.trim() ?? '');
}

/**
 * The replay prompts with the learner's answers as a dataset, each row its own teacher: a training is held to all that the
 * learner predicts there, not to the words of one answer. Null where there is nothing to replay.
 */
export async function publishReplay(run: RoundRun, learner: ModelRef): Promise<ArtifactRef | null> {
  const answers = await answerReplay(run, learner);
  const rows = run.domain.replayPrompts.flatMap((prompt, at): Example[] => {
    const answer = answers[at] ?? '';
    return answer === '' ? [] : [{ prompt, completion: ` ${answer}`, teacher: { prompt } }];
  });
  if (rows.length === 0) return null;
  return run.store.put(mediaTypes.dataset, {
    'data.jsonl': rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  });
}

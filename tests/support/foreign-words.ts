import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { repoRoot, venvOf } from '../../src/stack/layout.js';

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ content: z.string(), special: z.boolean() })),
});

/**
 * The tiny model of invented words, with words of a language in their place: what it writes at random is lines of that
 * language, and pairs of question and answer.
 *
 * @param pairOf a question and its answer as a text that ends its line
 */
export async function saveForeignModel(
  folder: string,
  { words, joint, stop, pairOf }: { words: string[]; joint: string; stop: string; pairOf: (word: string) => string },
): Promise<void> {
  const script = `import sys; from pathlib import Path; from selkie_runner.tiny import save_tiny_model; save_tiny_model("llama-words", Path(sys.argv[1]))`;
  await execa(join(venvOf(), 'bin', 'python'), ['-c', script, folder], {
    cwd: repoRoot,
    env: { PYTHONPATH: join(repoRoot, 'gpu-runner') },
  });
  const file = join(folder, 'tokenizer.json');
  const tokenizer = tokenizerSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  let index = 0;
  for (const token of tokenizer.added_tokens) {
    if (token.special) continue;
    const [word = '', next = '', last = ''] = [1, words.length, words.length ** 2].map(
      (unit) => words[Math.floor(index / unit) % words.length],
    );
    const text = [word, next, last].join(joint);
    token.content = index % 8 === 0 ? `${text}${stop}\n` : index % 8 === 4 ? `\n${pairOf(text)}\n` : `${joint}${text}`;
    index += 1;
  }
  await writeFile(file, JSON.stringify(tokenizer));
}

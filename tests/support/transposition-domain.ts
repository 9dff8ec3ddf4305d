import { z } from 'zod';
import { defineDomain, type Item, type Source } from '../../src/domains/domain.js';

const gridSchema = z.array(z.array(z.int()).min(1)).min(1);
type Grid = z.infer<typeof gridSchema>;
const pairSchema = z.strictObject({ input: gridSchema, output: gridSchema });
type Pair = z.infer<typeof pairSchema>;
const sourceSchema = z.strictObject({ shown: pairSchema });
/** Null where the model wrote no grid. */
const answerSchema = gridSchema.nullable();

const corpusSchema = z.array(
  z.strictObject({ id: z.string(), part: z.enum(['train', 'heldOut']), pairs: z.array(pairSchema) }),
);

/** Rows in lines; two grids are separated by `separator`, two pairs by an empty line. */
export const gridText = (grid: Grid): string => grid.map((row) => row.join(' ')).join('\n');
const separator = '\n=\n';

/** The grid at the start of a text. */
export function readGrid(text: string): Grid | null {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/u).map(Number));
  const grid = gridSchema.safeParse(rows);
  return grid.success ? grid.data : null;
}

/**
 * Grids that an adapter learns to transpose: a domain without titles, passages or questions, whose answers have several
 * lines. An edit is more pairs of the same kind.
 */
export const transpositionDomain = defineDomain(
  { source: sourceSchema, item: pairSchema, answer: answerSchema },
  {
    id: 'transposition',
    templates: ['more-pairs'],
    components: ['solved', 'cells'],
    primary: 'solved',
    grader: 'cells-1',
    parser: 'pairs-1',
    sources: (files) => ({
      sources: files.flatMap(({ text }) => corpusSchema.parse(JSON.parse(text)).flatMap(sourceOf)),
      problems: [],
      leftOut: [],
      merged: 0,
    }),
    retention: (files) => ({
      items: files.flatMap(({ text }) => pairSchema.array().parse(JSON.parse(text))),
      problems: [],
    }),
    label: ({ shown }) => `${shown.input.length} × ${shown.input[0]?.length ?? 0}`,
    sourceText: ({ shown }) => pairText(shown),
    itemText: ({ input }) => gridText(input),
    replayPrompts: [],
    proposal: ({ shown }) => [{ name: 'pairs', prompt: text(`More pairs like this one:\n\n${pairText(shown)}\n\n`) }],
    parseEdit: (_, completions) => {
      const pairs = completions.flatMap((completion) => completion.split('\n\n')).flatMap(readPair);
      return pairs.length === 0
        ? { ok: false, reason: 'holds no pair of grids' }
        : { ok: true, examples: pairs.map(exampleOf), directives: {}, proposed: null, clamps: [] };
    },
    rawExamples: ({ shown }) => [exampleOf(shown)],
    ruleExamples: ({ shown }) => [exampleOf(shown), exampleOf({ input: shown.output, output: shown.input })],
    mergeExamples: (edits) => edits.flat(),
    ask: (source, { input, output }, arm) => ({
      prompt: text(
        `${arm === 'inContext' && source !== null ? `${pairText(source.shown)}\n\n` : ''}${promptOf(input)}`,
      ),
      sampling: { maxTokens: 4 * output.flat().length, temperature: 0, stop: ['\n\n'] },
      reference: gridText(output),
    }),
    readAnswer: readGrid,
    grade: ({ output }, answer) => {
      const right = output.flatMap((row, y) => row.filter((cell, x) => answer?.[y]?.[x] === cell)).length;
      const isSolved = answer !== null && gridText(answer) === gridText(output);
      return { solved: Number(isSolved), cells: right / output.flat().length };
    },
  },
);

function sourceOf({ id, part, pairs }: z.infer<typeof corpusSchema>[number]): Source<{ shown: Pair }, Pair>[] {
  const [shown, ...asked] = pairs;
  if (shown === undefined) return [];
  const items = asked.map((content, i): Item<Pair> => ({
    itemId: `${id}.${i}`,
    split: i % 2 === 0 ? 'A' : 'B',
    content,
  }));
  return [{ sourceId: id, role: part, content: { shown }, items }];
}

function readPair(written: string): Pair[] {
  const [input, output] = written.split(separator).map(readGrid);
  return input == null || output == null ? [] : [{ input, output }];
}

const promptOf = (input: Grid): string => `${gridText(input)}${separator}`;
const pairText = ({ input, output }: Pair): string => `${promptOf(input)}${gridText(output)}`;
const exampleOf = ({ input, output }: Pair) => ({ prompt: promptOf(input), completion: gridText(output) });
const text = (content: string) => ({ kind: 'text' as const, text: content });

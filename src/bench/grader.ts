import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { ZodError } from 'zod';
import { gradeAnswer, graderVersion } from '../seal/grading.js';
import type { Interval } from '../seal/statistics.js';
import { repoRoot, StackError } from '../stack/index.js';
import type { Bench, BenchContext, BenchResult } from './bench.js';
import { accuracyOf, agreementOf, confusionOf, kappaOf, type Agreement, type Judged } from './grader/agreement.js';
import { kindOf, kinds } from './grader/kinds.js';
import { isTuning, readVerdicts, type Verdict } from './grader/verdicts.js';

/** Held-out κ that the grader must not fall below, and that it aims at. */
const promised = 0.65;
const aim = 0.8;
/** About what an answer of a round may have: longer ones are cut off. */
const roundAnswer = 25;

/**
 * Does the grader agree with a judge? Compares it with a judge's verdicts, in the form of SEAL's own: apart for the
 * articles on which it was tuned and the others, for every verdict and for each answer once.
 */
const bench: Bench = { summary: 'the grader against a judge’s verdicts: accuracy and Cohen’s κ by article', run };
export default bench;

async function run({ args }: BenchContext): Promise<BenchResult> {
  const file = fileOf(args);
  const graded = (await loadVerdicts(file)).map((verdict): Graded => {
    const { question, reference, answer } = verdict;
    return { ...verdict, match: gradeAnswer(reference, answer, { question }).match };
  });
  const heldOut = graded.filter((one) => !isTuning(one));
  const parts = {
    heldOut: partOf(heldOut),
    tuning: partOf(graded.filter(isTuning)),
    heldOutShort: partOf(heldOut.filter(({ answer }) => answer.split(/\s+/u).length <= roundAnswer)),
  };
  const byKind = kinds.map((kind) => {
    const confusion = confusionOf(judgedOnce(heldOut.filter(({ reference }) => kindOf(reference) === kind)));
    return { kind, ...confusion, accuracy: accuracyOf(confusion), kappa: kappaOf(confusion) };
  });
  const kappa = parts.heldOut.verdicts.kappa.estimate;
  return {
    json: { bench: 'grader', grader: graderVersion, verdicts: basename(file), promised, aim, ...parts, byKind },
    text: [partsTable(parts), kindsTable(byKind), verdictText(kappa)].join('\n\n'),
    passed: kappa !== null && kappa >= promised,
  };
}

interface Graded extends Verdict {
  match: boolean;
}

interface Part {
  /** as often as the file has each answer */
  verdicts: Agreement;
  /** each answer once */
  answers: Agreement;
}

const judgedOnce = (graded: Graded[]): Judged[] =>
  graded.map(({ article, match, isCorrect }) => ({ article, grader: match, judge: isCorrect, weight: 1 }));

const partOf = (graded: Graded[]): Part => ({
  verdicts: agreementOf(judgedOnce(graded).map((one, i) => ({ ...one, weight: graded[i]?.times ?? 1 }))),
  answers: agreementOf(judgedOnce(graded)),
});

/** The file that an argument or `SELKIE_VERDICTS` names, or else the one in the project's parent folder. */
function fileOf(args: readonly string[]): string {
  try {
    const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
    if (positionals.length <= 1) {
      const shared = join(repoRoot, '..', 'shared', 'data', 'seal', 'rank_iter0.json');
      return positionals[0] ?? process.env['SELKIE_VERDICTS'] ?? shared;
    }
  } catch {
    // an option that it does not have
  }
  throw new StackError('grader takes nothing but a file of verdicts: npm run bench -- grader rank_iter0.json');
}

async function loadVerdicts(file: string): Promise<Verdict[]> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new StackError(
      `there is no file of verdicts at ${file}: name one, such as rank_iter0.json of SEAL (npm run bench -- grader FILE), or set SELKIE_VERDICTS`,
    );
  });
  try {
    const verdicts = readVerdicts(JSON.parse(text));
    if (verdicts.length > 0) return verdicts;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof ZodError)) throw error;
  }
  throw new StackError(`${file} holds no verdicts: a file like SEAL's rank_iter0.json is needed`);
}

const figure = (value: number | null): string => (value === null || Number.isNaN(value) ? '–' : value.toFixed(3));
const interval = ({ estimate, low, high }: Interval): string => `${figure(estimate)} [${figure(low)}, ${figure(high)}]`;

const table = (head: string[]) =>
  new Table({
    head,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    style: { head: [], border: [] },
  });

function partsTable({ heldOut, tuning, heldOutShort }: Record<'heldOut' | 'tuning' | 'heldOutShort', Part>): string {
  const rows = table(['', 'articles', 'answers', 'accuracy', 'κ']);
  const row = (name: string, { articles, answers, accuracy, kappa }: Agreement) =>
    rows.push([name, articles, answers, interval(accuracy), interval(kappa)]);
  row('held out, every verdict', heldOut.verdicts);
  row('held out, each answer once', heldOut.answers);
  row(`the same, up to ${roundAnswer} words`, heldOutShort.answers);
  row('tuning, every verdict', tuning.verdicts);
  row('tuning, each answer once', tuning.answers);
  return rows.toString();
}

function kindsTable(
  byKind: (ReturnType<typeof confusionOf> & { kind: string; accuracy: number; kappa: number })[],
): string {
  const rows = table(['held out, each answer once', 'both', 'only grader', 'only judge', 'neither', 'accuracy', 'κ']);
  for (const { kind, both, onlyGrader, onlyJudge, neither, accuracy, kappa } of byKind) {
    rows.push([kind, both, onlyGrader, onlyJudge, neither, figure(accuracy), figure(kappa)]);
  }
  return rows.toString();
}

const verdictText = (kappa: number | null): string =>
  `${graderVersion}: κ ${figure(kappa)} on articles that it was not tuned on; it must not fall below ${promised} and aims at ${aim}`;

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { failure, canonicalDigest } from '../contract/index.js';
import type { Domain, Problem, Source } from '../domains/domain.js';
import type { Corpus, Probe, ProbeKind } from '../ledger/index.js';

/** A file as the domain gets it: which documents are in it is the domain's to say. */
interface CorpusFile {
  file: string;
  text: string;
}

/** The files of a corpus folder that hold probes instead of documents, without their ending. */
const probeFiles = { canary: 'canaries', frozen: 'frozen' } as const satisfies Record<ProbeKind, string>;

const probesSchema = z
  .array(z.object({ question: z.string().trim().min(1), answer: z.string().trim().min(1) }))
  .transform((probes) => probes.map((probe, index): Probe => ({ itemId: `p${index + 1}`, ...probe })));

/** Problems that one error message lists. */
const listed = 50;

/**
 * Reads a corpus: a JSON or JSONL file, or a folder of them. In a folder, `canaries` and `frozen` (`.json` or `.jsonl`) hold
 * the probes, `{ question, answer }` each; a corpus without canaries is given those of the sample corpus, since general
 * knowledge belongs to no corpus.
 *
 * @param name the config's `corpus`: `sample`, or a path
 * @throws InvalidCorpus that lists every problem
 */
export async function readCorpus(name: string, domain: Domain, sampleDir: string): Promise<Corpus> {
  const problems: Problem[] = [];
  const files = await filesOf(name === 'sample' ? sampleDir : name, problems);
  const documents = files.filter((file) => probeKindOf(file) === null);
  const canaries = filesOfKind(files, 'canary');
  const probes = {
    canary: readProbes(canaries.length > 0 ? canaries : filesOfKind(await filesOf(sampleDir, []), 'canary'), problems),
    frozen: readProbes(filesOfKind(files, 'frozen'), problems),
  };
  const parsed = documents.length > 0 ? domain.sources(documents) : { sources: [], problems: [] };
  const { sources } = parsed;
  problems.push(...parsed.problems, ...sources.flatMap(problemsOf));
  if (problems.length === 0) problems.push(...missingPart(name, sources));
  if (problems.length > 0) throw invalid(name, problems);
  return {
    corpusDigest: canonicalDigest({ domain: domain.id, sources, probes }),
    domain: domain.id,
    origin: name,
    sources,
    probes,
  };
}

async function filesOf(origin: string, problems: Problem[]): Promise<CorpusFile[]> {
  const found = await stat(origin).catch((error: unknown) => {
    throw failure('InvalidCorpus', `${origin}: the worker cannot read it (${reasonOf(error)})`, {
      ...(error instanceof Error && { cause: error }),
    });
  });
  const paths = found.isDirectory()
    ? (await readdir(origin))
        .filter((name) => ['.json', '.jsonl'].includes(extname(name)))
        .sort()
        .map((name) => join(origin, name))
    : [origin];
  if (paths.length === 0) problems.push({ where: origin, what: 'has no .json or .jsonl file' });
  const files = await Promise.all(
    paths.map(async (file) => {
      try {
        return [{ file, text: new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file)) }];
      } catch (error) {
        problems.push({ where: file, what: `cannot be read as UTF-8 text (${reasonOf(error)})` });
        return [];
      }
    }),
  );
  return files.flat();
}

const probeKindOf = ({ file }: CorpusFile): ProbeKind | null => {
  const stem = basename(file, extname(file));
  if (stem === probeFiles.canary) return 'canary';
  return stem === probeFiles.frozen ? 'frozen' : null;
};

const filesOfKind = (files: CorpusFile[], kind: ProbeKind): CorpusFile[] =>
  files.filter((file) => probeKindOf(file) === kind);

function readProbes(files: CorpusFile[], problems: Problem[]): Probe[] {
  const values = files.flatMap(({ file, text }) =>
    extname(file) === '.jsonl'
      ? text
          .split('\n')
          .flatMap((line, i) => (line.trim() === '' ? [] : parseJson(line, `${file}, line ${i + 1}`, problems)))
      : parseJson(text, file, problems).flat(),
  );
  const parsed = probesSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  const where = files.map(({ file }) => file).join(', ');
  problems.push(
    ...parsed.error.issues.map(({ path: [index, ...rest], message }) => ({
      where: `${where}, question ${Number(index) + 1}`,
      what: `${rest.join('.') || 'expected { "question", "answer" }'}: ${message}`,
    })),
  );
  return [];
}

/** The value, or nothing where there is a problem. */
function parseJson(text: string, where: string, problems: Problem[]): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (error) {
    problems.push({ where, what: `is not JSON (${reasonOf(error)})` });
    return [];
  }
}

/** What a document of any domain needs, so that its edits can be chosen. */
function problemsOf({ sourceId, items }: Source): Problem[] {
  if (items.length === 0) return [{ where: sourceId, what: 'has no questions' }];
  const hasA = items.some(({ part }) => part === 'A');
  return hasA ? [] : [{ where: sourceId, what: 'has no question of part A: its edits could not be chosen' }];
}

/** What the whole needs, so that the round can be run and reported. */
function missingPart(name: string, sources: Source[]): Problem[] {
  const train = sources.filter(({ part }) => part === 'train');
  if (train.length === 0) return [{ where: name, what: 'has no document to train on' }];
  const hasB = train.some(({ items }) => items.some(({ part }) => part === 'B'));
  return hasB ? [] : [{ where: name, what: 'has no question of part B: the round could report nothing' }];
}

function invalid(name: string, problems: Problem[]): Error {
  const lines = problems.slice(0, listed).map(({ where, what }) => `${where}: ${what}`);
  if (problems.length > listed) lines.push(`… and ${problems.length - listed} more`);
  return failure('InvalidCorpus', `the corpus "${name}" cannot be used:\n${lines.join('\n')}`);
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

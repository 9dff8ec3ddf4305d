import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { canonicalDigest } from '../contract/index.js';
import type { Domain, Problem, Source } from '../domains/domain.js';
import type { Corpus, Probe } from '../ledger/index.js';
import { failure } from './failures.js';

/** Files of a corpus folder that hold no documents. */
const probeFiles = { canary: 'canaries', frozen: 'frozen' } as const;

const probesSchema = z.array(z.object({ question: z.string().trim().min(1), answer: z.string().trim().min(1) }));

/** Problems that one error message lists. */
const listed = 50;

/**
 * Reads a corpus: a JSON or JSONL file, or a folder of them. In a folder, `canaries.json` and `frozen.json` (or `.jsonl`)
 * hold the probes, `[{ question, answer }]`; where it has no canaries, those of the sample corpus are asked, since general
 * knowledge belongs to no corpus.
 *
 * @param name the config's `corpus`: `sample`, or a path
 * @throws InvalidCorpus that lists every problem
 */
export async function readCorpus(name: string, domain: Domain, sampleDir: string): Promise<Corpus> {
  const origin = name === 'sample' ? sampleDir : name;
  const problems: Problem[] = [];
  const files = await filesOf(origin);
  const documents = (await Promise.all(files.documents.map((file) => readValues(file, problems)))).flat();
  const canaries = files.canary ?? (await filesOf(sampleDir).catch(() => null))?.canary ?? null;
  const probes = {
    canary: await readProbes(canaries, problems),
    frozen: await readProbes(files.frozen, problems),
  };
  // what could not be read is reported as such, not a second time as a corpus without sources
  const parsed = problems.length > 0 && documents.length === 0 ? null : domain.sources(documents);
  const sources = parsed?.sources ?? [];
  problems.push(...(parsed?.problems ?? []), ...sourceProblems(sources));
  if (problems.length === 0 && !sources.some(({ part }) => part === 'train')) {
    problems.push({ where: origin, what: 'has no documents to train on' });
  }
  if (problems.length > 0) throw invalid(name, problems);
  return {
    corpusDigest: canonicalDigest({ domain: domain.id, sources, probes }),
    domain: domain.id,
    origin: name,
    sources,
    probes,
  };
}

interface CorpusFiles {
  documents: string[];
  canary: string | null;
  frozen: string | null;
}

async function filesOf(origin: string): Promise<CorpusFiles> {
  const found = await stat(origin).catch((error: unknown) => {
    throw failure('InvalidCorpus', `${origin}: cannot be read by the worker (${reasonOf(error)})`, error);
  });
  if (!found.isDirectory()) return { documents: [origin], canary: null, frozen: null };
  const names = (await readdir(origin)).filter((name) => ['.json', '.jsonl'].includes(extname(name))).sort();
  const probeFile = (stem: string) => names.find((name) => name === `${stem}.json` || name === `${stem}.jsonl`);
  const canary = probeFile(probeFiles.canary);
  const frozen = probeFile(probeFiles.frozen);
  const documents = names.filter((name) => name !== canary && name !== frozen).map((name) => join(origin, name));
  if (documents.length === 0) throw failure('InvalidCorpus', `${origin}: has no .json or .jsonl file`);
  return {
    documents,
    canary: canary === undefined ? null : join(origin, canary),
    frozen: frozen === undefined ? null : join(origin, frozen),
  };
}

/** A file's values: the elements of a JSON array, one JSON document, or a JSONL file's lines. */
async function readValues(file: string, problems: Problem[]): Promise<unknown[]> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    problems.push({ where: file, what: `cannot be read as UTF-8 text (${reasonOf(error)})` });
    return [];
  }
  if (extname(file) !== '.jsonl') {
    const value = parseJson(text, file, problems);
    return Array.isArray(value) ? (value as unknown[]) : value === undefined ? [] : [value];
  }
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const value = parseJson(line, `${file}:${index + 1}`, problems);
    return value === undefined ? [] : [value];
  });
}

function parseJson(text: string, where: string, problems: Problem[]): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const position = /position (\d+)/.exec(reasonOf(error))?.[1];
    const line = position === undefined ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    problems.push({ where: text.includes('\n') ? where + line : where, what: `is not JSON (${reasonOf(error)})` });
    return undefined;
  }
}

async function readProbes(file: string | null, problems: Problem[]): Promise<Probe[]> {
  if (file === null) return [];
  const parsed = probesSchema.safeParse(await readValues(file, problems));
  if (!parsed.success) {
    const what = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    problems.push({ where: file, what: `expected [{ "question", "answer" }]: ${what}` });
    return [];
  }
  return parsed.data.map(({ question, answer }, index) => ({ itemId: `p${index + 1}`, question, answer }));
}

/** What every domain's sources must fulfil, so that an edit can be chosen on some questions and reported on others. */
function sourceProblems(sources: Source[]): Problem[] {
  const seen = new Set<string>();
  return sources.flatMap(({ sourceId, items }) => {
    const where = `source ${sourceId}`;
    const problems: Problem[] = [];
    if (seen.has(sourceId)) problems.push({ where, what: 'there are two with this id' });
    seen.add(sourceId);
    if (items.length === 0) problems.push({ where, what: 'has no questions' });
    else if (!items.some(({ part }) => part === 'A') || !items.some(({ part }) => part === 'B')) {
      problems.push({ where, what: 'needs two questions or more: some to choose its edits by, others to report on' });
    }
    return problems;
  });
}

function invalid(name: string, problems: Problem[]): Error {
  const lines = problems.slice(0, listed).map(({ where, what }) => `${where}: ${what}`);
  if (problems.length > listed) lines.push(`… and ${problems.length - listed} more`);
  return failure('InvalidCorpus', `the corpus "${name}" has ${problems.length} problem(s)\n${lines.join('\n')}`);
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

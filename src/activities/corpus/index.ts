import { existsSync } from 'node:fs';
import { canonicalDigest, failure } from '../../contract/index.js';
import type { Domain, LeftOut, Problem, RetentionItem, Source } from '../../domains/domain.js';
import type { CorpusFile } from '../../domains/reading/files.js';
import { Findings } from '../../domains/reading/findings.js';
import type { Corpus } from '../../ledger/index.js';
import { groupBy } from '../../lib/group-by.js';
import { corpusFiles } from './files.js';
import { fitting, type Longest, type Room } from './lengths.js';
import { filesByUse } from './retention.js';
import { anywhere, type Within } from './roots.js';

/** Problems that one error message lists. */
const listed = 50;

/** Notes on a corpus travel in histories. */
const mostNotes = 10;
const longestNote = 300;

export interface CorpusReading {
  corpus: Corpus;
  /** the documents that a round can use: those that the model can read at once */
  usable: Source[];
  problems: Problem[];
  leftOut: LeftOut[];
  merged: number;
  /** null: there is no document */
  longest: Longest | null;
}

export interface CorpusPlace {
  /** as it was named: for people */
  name: string;
  /** where it is */
  path: string;
  /** which files may be read; in a round those under the worker's roots */
  within: Within;
  /** the folder of the domain's sample corpus; there may be none */
  sampleDir: string;
}

/**
 * Reads a corpus, a file or a folder, and says all that is wrong with it. In a folder, the files `canaries` and `frozen` hold the
 * retention items; a corpus without canaries is given those of the domain's sample, since general knowledge belongs to no corpus.
 * A round and `selkie corpus check` both use it.
 */
export async function readCorpus(place: CorpusPlace, domain: Domain, room: Room): Promise<CorpusReading> {
  const findings = new Findings();
  const { documents, canary, frozen } = filesByUse(await corpusFiles(place.path, place.within, findings));
  const canaries = domain.retention(canary.length > 0 ? canary : await sampleCanaries(place.sampleDir));
  const frozenSet = domain.retention(frozen);
  const retention = { canary: withIds(canaries.items), frozen: withIds(frozenSet.items) };
  const read = documents.length > 0 ? domain.sources(documents) : { sources: [], problems: [], leftOut: [], merged: 0 };
  const { sources, leftOut, longest } = fitting(domain, read.sources.filter(isUsable), room);
  const problems = [findings, canaries, frozenSet, read].flatMap((part) => part.problems);
  if (!problems.some(({ stops }) => stops)) problems.push(...missingParts(place.name, sources));
  return {
    corpus: {
      corpusDigest: canonicalDigest({ domain: domain.id, sources: read.sources, retention }),
      domain: domain.id,
      origin: place.name,
      sources: read.sources,
      retention,
    },
    usable: sources,
    problems,
    leftOut: [...findings.leftOut(), ...read.leftOut, ...unusable(read.sources), ...leftOut],
    merged: read.merged,
    longest,
  };
}

/** @throws InvalidCorpus that lists everything because of which the round cannot start */
export function expectUsable({ corpus: { origin }, problems }: CorpusReading): void {
  const stopping = problems.filter(({ stops }) => stops);
  if (stopping.length === 0) return;
  const lines = stopping.slice(0, listed).map(({ where, what, fix }) => `${where}: ${what}: ${fix}`);
  if (stopping.length > listed) lines.push(`… and ${stopping.length - listed} more`);
  throw failure('InvalidCorpus', `the corpus "${origin}" cannot be used:\n${lines.join('\n')}`);
}

/** What a round that can start should say of its corpus: a line for each note, and for each reason why something is left out. */
export function notesOf({ problems, leftOut }: CorpusReading): string[] {
  const reasons = [...groupBy(leftOut, ({ why }) => why)].map(([why, places]) => {
    const count = places.reduce((sum, one) => sum + one.count, 0);
    const more = places.length > 3 ? ', …' : '';
    const named = places.slice(0, 3).map(({ where }) => where);
    return `left out ${count} × ${why}: ${named.join('; ')}${more}`;
  });
  const notes = problems.filter(({ stops }) => !stops).map(({ where, what, fix }) => `${where}: ${what}: ${fix}`);
  return [...notes, ...reasons].slice(0, mostNotes).map((note) => Array.from(note).slice(0, longestNote).join(''));
}

async function sampleCanaries(sampleDir: string): Promise<CorpusFile[]> {
  if (!existsSync(sampleDir)) return [];
  return filesByUse(await corpusFiles(sampleDir, anywhere, new Findings())).canary;
}

const withIds = (contents: unknown[]): RetentionItem[] =>
  contents.map((content, i) => ({ itemId: `p${i + 1}`, content }));

/** What a source of any domain needs, so that its edits can be chosen. */
const isUsable = ({ items }: Source): boolean => items.some(({ split }) => split === 'A');

const unusable = (sources: Source[]): LeftOut[] =>
  sources
    .filter((source) => !isUsable(source))
    .map(({ sourceId, items }) => ({
      where: sourceId,
      why: items.length === 0 ? 'has no questions' : 'has no question of part A, by which its edits could be chosen',
      count: 1,
    }));

/** What the whole needs, so that the round can be run and reported. */
function missingParts(name: string, sources: Source[]): Problem[] {
  const train = sources.filter(({ role }) => role === 'train');
  const stopping = (what: string, fix: string): Problem[] => [{ where: name, what, fix, stops: true }];
  if (train.length === 0) {
    return stopping('has no document to train on', 'add documents that are not held out and not too long');
  }
  if (!train.some(({ items }) => items.some(({ split }) => split === 'B'))) {
    return stopping(
      'has no question of part B: the round could report nothing',
      'ask each document two questions or more',
    );
  }
  if (train.length < sources.length) return [];
  const what = 'holds nothing out: a new policy would be examined on no document';
  const fix = 'give documents of four titles or more, or mark some with "part": "heldOut"';
  return [{ where: name, what, fix, stops: false }];
}

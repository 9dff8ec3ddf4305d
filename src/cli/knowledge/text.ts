import type { Passage, Snapshot } from '../../contract/index.js';
import type { FileOutcome } from '../../ingest/index.js';
import type { KnowledgeBaseVersion } from '../../ledger/index.js';
import { groupBy } from '../../lib/group-by.js';
import { safeText } from '../text/safe-text.js';
import { listTable } from '../text/table.js';
import type { IngestResult } from './ingest.js';

/** Lines of a list that are shown; `--json` has all of them. */
const listed = 20;

/** A knowledge base's definition. */
export function knowledgeBaseText({ tenant, name, version, definition, setBy }: KnowledgeBaseVersion): string {
  const { sources, include, exclude, cut } = definition;
  return [
    `knowledge base ${tenant}/${name}, version ${version}, set by ${safeText(setBy)}`,
    ...sources.map((source) => `  source    ${safeText(source)}`),
    ...include.map((glob) => `  include   ${safeText(glob)}`),
    ...exclude.map((glob) => `  exclude   ${safeText(glob)}`),
    `  passages  at most ${cut.maxTokens} tokens, from headings down to depth ${cut.headingDepth}`,
  ].join('\n');
}

/** What was made of each file, and the difference to the snapshot before. */
export function ingestText(result: IngestResult, dryRun: boolean): string {
  const { tenant, name, files, passages, problems } = result;
  const read = files.filter((file) => file.outcome === 'read');
  const words = read.reduce((sum, file) => sum + file.words, 0);
  return [
    [`${tenant}/${name}: ${read.length} files read, ${passages} passages, ${words} words`],
    read.length === 0 ? [] : [filesTable(read)],
    leftOutLines(files),
    problems.flatMap(({ what, fix }) => [`problem  ${safeText(what)}`, `         ${safeText(fix)}`]),
    differenceLines(result),
    [snapshotLine(result, dryRun)],
  ]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function filesTable(files: Extract<FileOutcome, { outcome: 'read' }>[]): string {
  const rows = files.slice(0, listed).map(({ path, kind, documents, passages, words, omitted, warnings }) => {
    const notes = [...warnings, ...omitted.map(({ what, count }) => `omits ${count} × ${what}`)];
    return [safeText(path), kind, documents, passages, words, safeText(notes.join('; '))];
  });
  const table = listTable(['file', 'kind', 'documents', 'passages', 'words', 'notes'], rows);
  return files.length > listed ? `${table}\nand ${files.length - listed} more files` : table;
}

/** A line per reason; what a person left out on purpose is counted only. */
function leftOutLines(files: FileOutcome[]): string[] {
  const leftOut = files.filter((file) => file.outcome === 'leftOut');
  return [...groupBy(leftOut, ({ what }) => what)].flatMap(([what, some]) => {
    const paths = some.slice(0, 3).map(({ path }) => safeText(path));
    const more = some.length > paths.length ? ', …' : '';
    const line = `left out ${some.length} × ${safeText(what)}: ${paths.join(', ')}${more}`;
    const [first] = some;
    return first === undefined || first.code === 'excluded' || first.code === 'hidden'
      ? [line]
      : [line, `         ${safeText(first.fix)}`];
  });
}

function differenceLines({ difference, before }: IngestResult): string[] {
  if (difference === null) return [];
  const { new: added, changed, gone, unchanged } = difference;
  const head = before === null ? 'there is no earlier snapshot' : `difference to snapshot ${before}`;
  const lines = [
    ...added.map((id) => `  new      ${safeText(id)}`),
    ...changed.map((id) => `  changed  ${safeText(id)}`),
    ...gone.map((id) => `  gone     ${safeText(id)}`),
  ];
  return [
    `${head}: ${added.length} new, ${changed.length} changed, ${gone.length} gone, ${unchanged} unchanged`,
    // of a first snapshot everything is new
    ...(before === null ? [] : lines.slice(0, listed)),
    ...(before === null || lines.length <= listed ? [] : [`  and ${lines.length - listed} more`]),
  ];
}

function snapshotLine({ snapshot, snapshotDigest, before, problems }: IngestResult, dryRun: boolean): string {
  if (problems.length > 0) return 'No snapshot is taken.';
  const digest = snapshotDigest?.slice(0, 12) ?? '';
  if (snapshot === null) return `${dryRun ? 'Dry run: no snapshot is taken' : 'No snapshot is taken'} (${digest}).`;
  return snapshot.number === before
    ? `Nothing changed: snapshot ${snapshot.number} (${digest}) is the latest.`
    : `Snapshot ${snapshot.number} (${digest}) is taken.`;
}

export function snapshotsText(snapshots: readonly Snapshot[]): string {
  if (snapshots.length === 0) return 'no snapshot was taken yet';
  return listTable(
    ['number', 'taken', 'passages', 'digest'],
    snapshots.map(({ number, takenAt, passages, snapshotDigest }) => [
      number,
      takenAt,
      passages,
      snapshotDigest.slice(0, 12),
    ]),
  );
}

/** A snapshot with its passages. */
export function snapshotText(snapshot: Snapshot, passages: readonly Passage[]): string {
  return [
    `snapshot ${snapshot.number} of ${snapshot.tenant}/${snapshot.name}, taken ${snapshot.takenAt}`,
    `digest ${snapshot.snapshotDigest}`,
    ...passages.map(({ passageId, title, text }) => `\n${safeText(passageId)}\n${safeText(title)}\n\n${text}`),
  ].join('\n');
}

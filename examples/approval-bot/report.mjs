// Finds what a round's gate is about: the summary in the round's own history, the whole report in the artifact store.
import { defaultPayloadConverter } from '@temporalio/common';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** What the activity `buildReport` of this round returned; null before it has. */
export async function reportSummary(client, roundId) {
  const { events = [] } = await client.workflow.getHandle(roundId).fetchHistory();
  const scheduled = events.find((e) => e.activityTaskScheduledEventAttributes?.activityType?.name === 'buildReport');
  if (scheduled === undefined) return null;
  const completed = events.find((e) =>
    e.activityTaskCompletedEventAttributes?.scheduledEventId?.equals(scheduled.eventId),
  );
  const payload = completed?.activityTaskCompletedEventAttributes?.result?.payloads?.[0];
  return payload === undefined ? null : defaultPayloadConverter.fromPayload(payload);
}

/**
 * The report itself, checked against the address that the summary gives.
 *
 * @throws Error when its bytes are not those
 */
export async function readReport(store, { sha256: address }) {
  const folder = join(store, 'sha256', address.slice(0, 2), address);
  const manifest = await readFile(join(folder, 'manifest.json'));
  if (sha256(manifest) !== address) throw new Error(`${folder} does not hold what its name says`);
  const file = JSON.parse(manifest.toString('utf8')).files.find(({ path }) => path === 'report.json');
  const report = await readFile(join(folder, 'report.json'));
  if (sha256(report) !== file?.sha256) throw new Error(`${folder}/report.json was changed`);
  return JSON.parse(report.toString('utf8'));
}

/** What the rule decides by. */
export function evidenceOf({ heldOut }, { retention: { canaries } }) {
  return {
    before: heldOut.before,
    after: heldOut.after,
    questions: heldOut.questions,
    canariesLost: canaries.lost,
    canariesAsked: canaries.rightBefore,
  };
}

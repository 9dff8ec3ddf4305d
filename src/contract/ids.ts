import { bounds } from './names.js';
import { hasControls, withoutUnseen } from '../lib/visible.js';

/**
 * Workflow ids are pure functions of business keys, parts joined by dots: a slash breaks links in the Web UI.
 * `<tenant>.<campaign>` → `.r0003` → `.edits.s07` → `.e0123`, gates `.gate-release`.
 */

const pad = (n: number, width: number): string => String(n).padStart(width, '0');

export const campaignId = (tenant: string, campaign: string): string => `${tenant}.${campaign}`;
export const roundIdOf = (campaign: string, round: number): string => `${campaign}.r${pad(round, 4)}`;
export const shardIdOf = (roundId: string, purpose: string, shard: number): string =>
  `${roundId}.${purpose}.s${pad(shard, 2)}`;
export const trialIdOf = (shardId: string, index: number): string => `${shardId}.e${pad(index, 4)}`;
export const gateIdOf = (roundId: string, gate: string): string => `${roundId}.gate-${gate}`;
/** The round's number in its campaign; null for a round that a person named. */
export const roundNumberOf = (roundId: string): number | null => {
  const digits = /\.r(\d{4,9})$/.exec(roundId)?.[1];
  return digits === undefined ? null : Number(digits);
};

const trialPattern = /^((.+)\.[a-z]+\.s\d+)\.e\d+$/s;

/** The shard and the round that a trial is of, by its id; null for what is no trial's id. */
export function familyOf(trialId: string): { shardId: string; roundId: string } | null {
  const [, shardId, roundId] = trialPattern.exec(trialId) ?? [];
  return shardId === undefined || roundId === undefined ? null : { shardId, roundId };
}

/** Temporal's own bound on an id (`limit.maxIDLength`). */
const longestIdBytes = 1000;
const longestPurpose = 'x'.repeat(10);
const { trialsPerShard, shardsPerRound } = bounds;
/** What is put behind an id at most, by the workflows that it starts. */
const longestTail = {
  round: trialIdOf(shardIdOf('', longestPurpose, shardsPerRound), trialsPerShard * shardsPerRound).length,
  // as many rounds as a number has digits
  campaign: roundIdOf('', 999_999_999).length,
};
const ofChild = /\.(gate-[a-z]+|[a-z]+\.s\d+(\.e\d+)?)$/;

/** Why an id cannot be a round's or a campaign's, in words; null: it can. */
export function idProblem(id: string, of: 'round' | 'campaign'): string | null {
  if (id.trim() === '') return `the id of a ${of} is empty`;
  if (hasControls(id) || withoutUnseen(id) !== id) {
    return `the id of a ${of} has characters that nobody sees (controls, zero width): take letters, digits, dashes and dots`;
  }
  if (ofChild.test(id)) return `"${id}" ends like the id of a gate, a shard or a trial: give the ${of} another id`;
  const most = longestIdBytes - longestTail.round - (of === 'campaign' ? longestTail.campaign : 0);
  const bytes = new TextEncoder().encode(id).length;
  return bytes <= most
    ? null
    : `the id of a ${of} may have ${most} bytes and this one has ${bytes}: what it starts gets longer ids, of at most ${longestIdBytes}`;
}

/** Under what name a tenant's live policy of a model is found. */
export const policyAlias = ({ tenant, model }: { tenant: string; model: string }): string =>
  `${tenant}/${model}/policy`;

/**
 * Workflow ids are pure functions of business keys, parts joined by dots: a slash breaks links in the Web UI.
 * `<tenant>.<campaign>` → `.r0003` → `.edits.s07` → `.e0123`, gates `.gate-release`.
 */

const pad = (n: number, width: number): string => String(n).padStart(width, '0');

export const campaignId = (tenant: string, campaign: string): string => `${tenant}.${campaign}`;
export const roundIdOf = (campaign: string, round: number): string => `${campaign}.r${pad(round, 4)}`;
export const shardIdOf = (roundId: string, phase: string, shard: number): string =>
  `${roundId}.${phase}.s${pad(shard, 2)}`;
export const trialIdOf = (shardId: string, index: number): string => `${shardId}.e${pad(index, 4)}`;
export const gateIdOf = (roundId: string, gate: string): string => `${roundId}.gate-${gate}`;
/** The round's number in its campaign; null for a round that a person named. */
export const roundNumberOf = (roundId: string): number | null => {
  const digits = /\.r(\d{4,9})$/.exec(roundId)?.[1];
  return digits === undefined ? null : Number(digits);
};

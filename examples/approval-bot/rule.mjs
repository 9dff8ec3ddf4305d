// The rule by which the bot decides, on its own: a report's numbers in, a decision with its reason out.

/**
 * @typedef {object} Evidence
 * @property {number | null} before held-out match of the old policy
 * @property {number | null} after held-out match of the new policy
 * @property {number} questions held-out questions behind these
 * @property {number | null} canariesLost questions of general knowledge that only the old policy still answers
 * @property {number | null} canariesAsked
 *
 * @typedef {object} Limits
 * @property {number} tolerance how far `after` may lie below `before`
 * @property {number} lostShare the share of the canaries that may be lost
 */

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/**
 * Approves only what was measured and is not worse.
 *
 * @param {Evidence} evidence
 * @param {Limits} limits
 * @returns {{ decision: 'approve' | 'reject', note: string }}
 */
export function decide({ before, after, questions, canariesLost, canariesAsked }, { tolerance, lostShare }) {
  if (before === null || after === null || questions === 0) {
    return { decision: 'reject', note: 'the policies were not compared on held-out documents' };
  }
  const heldOut = `held-out match ${percent(before)} before, ${percent(after)} after (${questions} questions)`;
  if (after < before - tolerance) {
    return { decision: 'reject', note: `${heldOut}: worse by more than ${percent(tolerance)}` };
  }
  if (canariesLost === null || canariesAsked === null) {
    return { decision: 'reject', note: `${heldOut}; whether canaries were lost is not known` };
  }
  const canaries = `${canariesLost} of ${canariesAsked} canaries lost`;
  if (canariesLost > lostShare * canariesAsked) {
    return { decision: 'reject', note: `${heldOut}; ${canaries}, and at most ${percent(lostShare)} may be` };
  }
  return { decision: 'approve', note: `${heldOut}; ${canaries}` };
}

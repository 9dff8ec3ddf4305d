// The rule by which the bot decides, on its own: a report's numbers in, a decision with its reason out.

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/**
 * Approves only what was measured and is not worse.
 *
 * @param {import('./rule.mjs').Evidence} evidence
 * @param {import('./rule.mjs').Limits} limits
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

/**
 * Whether a gate has counted a decision of this name, or has ended. One without effect is no decision: anybody can send
 * such a message in the bot's name.
 */
export function hasDecided({ state, spec: { digest }, decisions }, spec, name) {
  if (state !== 'open' || digest !== spec.digest) return true;
  return decisions.some(({ approver, counted }) => counted && approver === name);
}

import type { HeldOut, RetentionNumbers } from '../../contract/index.js';
import { percent } from '../../lib/format.js';

/** What a release gate decides, in a sentence: what was examined, and what was forgotten. */
export function releaseSubject(
  roundId: string,
  { heldOut, canaries }: { heldOut: HeldOut; canaries: RetentionNumbers },
): string {
  return `release the policy of ${roundId.slice(0, 200)}: ${examined(heldOut)}; ${forgotten(canaries)}`;
}

const examined = ({ before, after, questions, sources }: HeldOut): string =>
  questions === 0
    ? 'nothing was examined, no held-out document was compared'
    : `held-out match ${percent(before)} before, ${percent(after)} after (${questions} questions on ${sources} documents)`;

/** Canaries, before and after. */
export const forgotten = ({ asked, rightBefore, rightAfter, lost }: RetentionNumbers): string =>
  asked === 0 || rightAfter === null || lost === null
    ? 'no canaries were asked'
    : `canaries ${rightBefore} of ${asked} right before, ${rightAfter} after, ${lost} lost`;

import { setTimeout as sleep } from 'node:timers/promises';
import { shellWord } from '../../lib/shell-word.js';
import type { Session } from '../connect.js';
import { exitCodes } from '../errors.js';
import { clock } from '../../lib/format.js';
import { print, jsonLine, say } from '../output.js';
import { trialsDoing } from './in-flight.js';
import { statusLine, viewText } from './text.js';
import { viewRound, type RoundView } from './view.js';

const pollMs = 2000;
/** Print current activity after this long without a change. */
const quietMs = 15_000;

/** Shows each change until the round ends, and what the trials do now and then; sets the exit code. */
export async function watchRound({ client }: Session, roundId: string, json: boolean | undefined): Promise<void> {
  const startMs = Date.now();
  let shown = '';
  let shownMs = 0;
  for (;;) {
    const view = await viewRound(client, roundId);
    const line = view.status === null ? (view.silence ?? '') : statusLine(view.status);
    const isNews = line !== shown;
    const waits = view.status?.stage === 'gate';
    // a gate changes only by a decision, which may take days
    if (json !== true && (isNews || (!waits && Date.now() - shownMs >= quietMs))) {
      const doing = view.status === null || waits ? line : statusLine(view.status, await trialsDoing(client, roundId));
      if (doing !== '') say(`${clock((Date.now() - startMs) / 1000)}  ${doing}`);
      if (waits) say(gateHint(roundId));
      shownMs = Date.now();
    }
    if (view.execution !== 'RUNNING') {
      finish(view, json);
      return;
    }
    if (isNews && json === true) process.stdout.write(jsonLine(view));
    shown = line;
    await sleep(pollMs);
  }
}

const gateHint = (roundId: string): string =>
  ['show', 'approve'].map((verb) => `      npx selkie gate ${verb} ${shellWord(roundId)}`).join('\n') + ' --as NAME';

function finish(view: RoundView, json: boolean | undefined): void {
  if (json === true) process.stdout.write(jsonLine(view));
  else print(view, viewText(view), false);
  if (view.released !== true) process.exitCode = exitCodes.failed;
}

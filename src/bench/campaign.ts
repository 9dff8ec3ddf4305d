import type { Client } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  campaignResultSchema,
  gateViewSchema,
  queryNames,
  roundIdOf,
  roundResultSchema,
  roundStatusSchema,
  signalNames,
  type RoundResult,
} from '../contract/index.js';

const pollMs = 2000;
const sayMs = 60_000;

/** Waits for a campaign's end and returns its rounds' results. */
export async function awaitResults(client: Client, campaign: string): Promise<RoundResult[]> {
  const { rounds } = campaignResultSchema.parse(await client.workflow.getHandle(campaign).result());
  return Promise.all(rounds.map(async (id) => roundResultSchema.parse(await client.workflow.getHandle(id).result())));
}

/**
 * Shows a campaign's progress and approves each of its release gates as `approver`, so that the next round starts from
 * what this one learnt. Only a measurement may do so: it needs every policy, good or bad. Returns a function that ends
 * it.
 */
export function attend(
  client: Client,
  campaign: string,
  approver: string,
  onProgress: (line: string) => void,
): () => void {
  const ended = new AbortController();
  const say = atMostEvery(sayMs, onProgress);
  const approve = async (): Promise<void> => {
    for (let round = 1; !ended.signal.aborted;) {
      const handle = client.workflow.getHandle(roundIdOf(campaign, round));
      try {
        const { stage, trials } = roundStatusSchema.parse(await handle.query(queryNames.status));
        say(`round ${round}: ${stage}, trials ${trials.done}/${trials.planned}`);
        const gates = gateViewSchema.array().parse(await handle.query(queryNames.gates));
        for (const { spec, state } of gates) {
          if (state !== 'open') continue;
          const { gateId, digest } = spec;
          await handle.signal(signalNames.approve, { gateId, digest, approver, key: `bench:${gateId}` });
          onProgress(`approved ${gateId}`);
        }
        if ((await handle.describe()).status.name !== 'RUNNING') round += 1;
      } catch {
        // the round has not begun, or its worker does not answer yet
      }
      await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  void approve();
  return () => ended.abort();
}

/** Passes a line on unless the last one is too fresh. */
function atMostEvery(ms: number, onProgress: (line: string) => void): (line: string) => void {
  let saidMs = -Infinity;
  return (line) => {
    if (Date.now() - saidMs < ms) return;
    saidMs = Date.now();
    onProgress(line);
  };
}

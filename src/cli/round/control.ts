import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalNames, workflowTypes } from '../../contract/index.js';
import { shellWord } from '../../lib/shell-word.js';
import { CliError, exitCodes } from '../errors.js';
import { queryStatus } from './view.js';

export const orders = {
  pause: 'start no further trials until it is resumed',
  resume: 'go on after a pause',
  stop: 'start no further trials, finish those in flight, then select',
  cancel: 'end the round now; what it found is kept',
} as const;
export type Order = keyof typeof orders;

const effectWithinMs = 15_000;
const pollMs = 300;

/** Tells a round or a campaign what to do; returns what has become of it, in words. */
export async function signalRound(client: Client, id: string, control: Order): Promise<string> {
  const handle = client.workflow.getHandle(id);
  const type = await runningType(client, id);
  if (control === 'cancel') {
    await handle.cancel();
    return `${id} was told to cancel; \`npx selkie round watch ${shellWord(id)}\` shows its end`;
  }
  await handle.signal(signalNames[control]);
  if (type !== workflowTypes.round) return `${id} was told: ${control}`;
  const untilMs = Date.now() + effectWithinMs;
  while (Date.now() < untilMs) {
    const { status } = await queryStatus(client, id);
    if (status === null) return `${id} was told, and does not answer yet: the message waits for its worker`;
    if (control === 'stop' ? status.stopping : status.paused === (control === 'pause'))
      return `${id}: ${done[control]}`;
    await sleep(pollMs);
  }
  return `${id} was told: ${control}`;
}

const done = { pause: 'paused', resume: 'continues', stop: 'stops: what is in flight ends first' } as const;

/** The type of what runs under an id; throws a CliError for what does not run, or listens to nothing. */
async function runningType(client: Client, id: string): Promise<string> {
  try {
    const { type, status } = await client.workflow.getHandle(id).describe();
    if (type !== workflowTypes.round && type !== workflowTypes.campaign) {
      throw new CliError(`"${id}" is a ${type}, neither a round nor a campaign`, exitCodes.notFound);
    }
    if (status.name !== 'RUNNING') throw new CliError(`"${id}" has ended: ${status.name.toLowerCase()}`);
    return type;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new CliError(`there is no round "${id}": \`npx selkie round list\` shows them`, exitCodes.notFound);
  }
}

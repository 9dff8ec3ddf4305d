// Records the replay corpus, deliberately and once:
//
//   npx vitest run --config tests/support/record.config.ts
//
// A recorded history stands for the runs that an older version left behind, and must replay for as long as there may be
// such runs. So a scenario that is there is never written again: a workflow that changes gets `patched`, and a new
// scenario here. Only before the first release may the folder be emptied and recorded again.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import { signalNames, workflowTypes, type GateView, type RoundConfigInput } from '../../src/contract/index.js';
import { corpusFolder, toJSON, typeOf } from './histories.js';
import { decisionOn, endlessTraining, fresh, openGateOf, resultOf } from './play.js';
import { quickRound, Rig, until } from './rig.js';
import { failing, type ScriptedActivities } from './scripted-activities.js';

/** Everything once: edits, controls, fresh seeds, held-out sources, a policy, a gate. */
const round: RoundConfigInput = { ...quickRound, sources: { train: 1, heldOut: 1 }, editsPerSource: 2 };

const rig = new Rig();
beforeAll(() => rig.up());
afterAll(() => rig.down());

/** Plays a scenario and keeps the histories of all runs of these types. */
async function record(
  scenario: string,
  types: readonly string[],
  play: (scripted: ScriptedActivities, ledger: ReturnType<typeof fresh>['ledger']) => Promise<unknown>,
): Promise<void> {
  const folder = path.join(corpusFolder, scenario);
  await mkdir(folder, { recursive: false }).catch((error: unknown) => {
    throw new Error(`${folder} is there already, and what was recorded stays as it is`, { cause: error });
  });
  const { ledger, scripted } = fresh();
  await rig.serving(scripted, () => play(scripted, ledger));
  const wanted = (await rig.histories()).filter((recorded) => types.includes(typeOf(recorded)));
  for (const [index, { workflowId, history }] of wanted.entries()) {
    const name = `${String(index + 1).padStart(2, '0')}.${workflowId}.json`;
    await writeFile(path.join(folder, name), toJSON(history), { flag: 'wx' });
  }
  await rig.checkHistories();
}

const decided =
  (id: string, decide: (round: WorkflowHandle, gate: GateView) => Promise<unknown>) =>
  async (_: ScriptedActivities, ledger: ReturnType<typeof fresh>['ledger']): Promise<void> => {
    const handle = await rig.start(workflowTypes.round, id, round);
    await decide(handle, await openGateOf(handle, ledger));
    await resultOf(handle);
  };

const all = Object.values(workflowTypes);
const withGate = [workflowTypes.round, workflowTypes.gate];

it('a released round', () =>
  record(
    'released',
    all,
    decided('demo.released', (handle, gate) => handle.signal(signalNames.approve, decisionOn(gate))),
  ));

it('a rejected one', () =>
  record(
    'rejected',
    withGate,
    decided('demo.rejected', (_, gate) =>
      rig.client.getHandle(gate.spec.gateId).signal(signalNames.reject, decisionOn(gate)),
    ),
  ));

it('messages that do not parse', () =>
  record(
    'malformed',
    withGate,
    decided('demo.malformed', async (handle, gate) => {
      const { gateId } = gate.spec;
      const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
      for (const workflowId of ['demo.malformed', gateId]) {
        for (const [encoding, data] of [
          ['json/plain', '{"gateId":7}'],
          ['json/plain', '{not json'],
          ['json/protobuf', '{}'],
          ['x/unknown', ''],
        ] as const) {
          await rig.env.connection.workflowService.signalWorkflowExecution({
            namespace: rig.env.namespace ?? 'default',
            workflowExecution: { workflowId },
            signalName: signalNames.approve,
            input: { payloads: [{ metadata: { encoding: bytes(encoding) }, data: bytes(data) }] },
          });
        }
      }
      await handle.signal(signalNames.approve, decisionOn(gate));
    }),
  ));

it('a round cancelled in mid-training', () =>
  record('cancelled', all, async (scripted) => {
    scripted.always('trainAdapter', endlessTraining);
    const handle = await rig.start(workflowTypes.round, 'demo.cancelled', round);
    await until(() => Promise.resolve(scripted.requests('trainAdapter').length === 2));
    await handle.cancel();
    await expect(resultOf(handle)).rejects.toThrow(/cancelled/);
  }));

it('a campaign whose trials fail in many ways', () =>
  record('campaign', all, async (scripted, ledger) => {
    const usual = ledger.answers;
    scripted.script(
      'evaluateAdapter',
      failing('ServerUnavailable', { retryable: true }),
      failing('AdapterNotApplied'),
      ...Array.from({ length: 20 }, () => usual.evaluateAdapter),
    );
    scripted.script(
      'trainAdapter',
      failing('OutOfMemory', { retryable: true }),
      usual.trainAdapter,
      usual.trainAdapter,
      failing('Diverged'),
      ...Array.from({ length: 20 }, () => usual.trainAdapter),
    );
    const config = {
      rounds: 2,
      round: {
        ...round,
        controls: { rawPassage: false, merged: false, rules: false },
        window: 1,
        maxFailedFraction: 1,
      },
    };
    await resultOf(await rig.start(workflowTypes.campaign, 'demo.campaign', config));
  }));

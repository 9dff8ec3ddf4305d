import { expect, it } from 'vitest';
import { queryNames, signalNames, textDigest, workflowTypes, type GateView } from '../../../src/contract/index.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const payload = (encoding: string, data: string | Uint8Array, metadata: Record<string, string> = {}) => ({
  metadata: Object.fromEntries(Object.entries({ encoding, ...metadata }).map(([key, value]) => [key, bytes(value)])),
  data: typeof data === 'string' ? bytes(data) : data,
});

/** What a wrong button, an old bot or somebody hostile might send. */
const payloads = {
  'a number': payload('json/plain', '7'),
  'a text': payload('json/plain', '"approve it"'),
  'an empty object': payload('json/plain', '{}'),
  'an unknown key': payload('json/plain', '{"gateId":"g","approver":"a","digest":"d","yes":true}'),
  'a wrong digest': payload('json/plain', `{"gateId":"g","approver":"a","digest":"${'z'.repeat(64)}"}`),
  'a prototype': payload('json/plain', '{"__proto__":{"gateId":"g"},"constructor":1}'),
  'a long note': payload(
    'json/plain',
    JSON.stringify({ gateId: 'g', approver: 'a', digest: textDigest('x'), note: 'n'.repeat(300_000) }),
  ),
  'deep json': payload('json/plain', `${'['.repeat(2000)}${']'.repeat(2000)}`),
  'broken json': payload('json/plain', '{not json'),
  'invalid utf-8': payload('json/plain', new Uint8Array([0xff, 0xfe, 0x22])),
  'json/protobuf': payload('json/protobuf', '{"gateId":"g"}', { messageType: 'temporal.api.common.v1.Payload' }),
  'json/protobuf without a type': payload('json/protobuf', '{}'),
  'a reference to external storage': payload('json/protobuf', '{"driverName":"s3","claimData":{"key":"x"}}', {
    messageType: 'temporal.api.sdk.v1.ExternalStorageReference',
  }),
  'a broken reference': payload('json/protobuf', '{"driverName":7', {
    messageType: 'temporal.api.sdk.v1.ExternalStorageReference',
  }),
  'an unknown encoding': payload('x/unknown', 'abc'),
  'no encoding': { metadata: {}, data: bytes('{}') },
  binary: payload('binary/plain', new Uint8Array([0, 1, 2])),
  null: payload('binary/null', ''),
};

describeWithTemporal('malformed messages', () => {
  const rig = useRig();

  const send = async (workflowId: string, signalName: string, ...sent: ReturnType<typeof payload>[]): Promise<void> => {
    const { workflowService } = rig.env.connection;
    await workflowService.signalWorkflowExecution({
      namespace: rig.env.namespace ?? 'default',
      workflowExecution: { workflowId },
      signalName,
      ...(sent.length === 0 ? {} : { input: { payloads: sent } }),
    });
  };

  it('are counted and shown by the round and by its gate, and change nothing', async () => {
    const { ledger, scripted } = fresh();
    const config = {
      ...quickRound,
      sources: { train: 1, heldOut: 0 },
      controls: { rawPassage: false, merged: false, rules: false },
    };
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'hostile', config);
      const gate = await openGateOf(round, ledger);
      const { gateId } = gate.spec;
      const sent = Object.values(payloads);
      for (const one of sent) {
        for (const signal of [signalNames.approve, signalNames.reject]) {
          await send('hostile', signal, one);
          await send(gateId, signal, one);
        }
        for (const signal of ['shardProgress', 'liveChanged', 'unheardOf', '__temporal_x'])
          await send('hostile', signal, one);
      }
      await send('hostile', signalNames.approve);
      await send(gateId, signalNames.approve);

      const view = await until(async () => {
        const [seen] = await rig.client.getHandle(gateId).query<GateView[]>(queryNames.gates);
        return seen?.malformedCount === 2 * sent.length + 1 && seen;
      });
      expect(view).toMatchObject({ state: 'open', decisions: [] });
      expect(view.malformed.map((m) => m.reason)).toContain(
        'message: Invalid input: expected object, received undefined',
      );
      const { rejectedMessages } = await statusOf(round);
      expect(rejectedMessages.length).toBeGreaterThan(45);
      expect(rejectedMessages.at(-1)).toMatchObject({ signal: 'approve' });

      await round.signal(signalNames.approve, decisionOn(gate), 'a second argument');
      expect(await resultOf(round)).toMatchObject({ gate: 'approved', released: true });
    });
  });

  it('do not stop pause, resume and stop, whatever they carry', async () => {
    const { scripted } = fresh();
    scripted.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: '' }));
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'controls', quickRound);
      for (const signal of [signalNames.pause, signalNames.resume, signalNames.stop]) {
        for (const one of Object.values(payloads)) await send('controls', signal, one);
      }
      await resultOf(round);
      expect(await statusOf(round)).toMatchObject({ stopping: true, rejectedMessages: [] });
    });
  });

  it.each(['json/protobuf', 'x/unknown'])('as an input of %s fail the round in words', async (encoding) => {
    const { scripted } = fresh();
    const workflowId = `input-${encoding.replace('/', '-')}`;
    await rig.serving(scripted, async () => {
      const { runId } = await rig.env.connection.workflowService.startWorkflowExecution({
        namespace: rig.env.namespace ?? 'default',
        workflowId,
        requestId: workflowId,
        workflowType: { name: workflowTypes.round },
        taskQueue: { name: 'selkie' },
        input: { payloads: [payload(encoding, '{}')] },
      });
      rig.track(workflowId, runId);
      const error: unknown = await resultOf(rig.client.getHandle(workflowId)).catch((e: unknown) => e);
      expect(error).toMatchObject({ cause: { type: 'InvalidConfig' } });
      expect((error as { cause: Error }).cause.message).toMatch(/cannot be decoded \(send json\/plain\)/);
    });
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { roundConfigSchema, type RoundConfigInput } from '../../src/contract/index.js';
import { unlessStuck } from '../support/stuck.js';
import { approvedResult, fingerprint, startRound, startSampleStack } from '../support/tiny-round.js';

// Four small rounds at once on a machine whose cores are all taken: a proposal or training may be slow, and none is lost.
const roundIds = [1, 2, 3, 4].map((number) => `demo.beside-${number}.r0001`);
const config: RoundConfigInput = roundConfigSchema.parse({
  sources: { train: 2, heldOut: 1 },
  editsPerSource: 2,
  recipe: { preset: 'small', maxSteps: 20 },
  policy: { recipe: { preset: 'small-policy', maxSteps: 20 } },
  // on every document, so a policy is always trained
  selection: { rule: 'reference' },
  requestedBy: 'the test',
} satisfies RoundConfigInput);
/** Before the test's own timeout, which could not say why. */
const stuckAfterMs = 1_700_000;

it('four rounds beside a busy loop for each core run to their ends', async () => {
  const sample = await startSampleStack();
  const { stack, client, ledger } = sample;
  const loops = Array.from({ length: availableParallelism() }, busyLoop);
  try {
    await Promise.all(roundIds.map((roundId) => startRound(client, roundId, config)));
    const results = Promise.all(roundIds.map((roundId) => approvedResult(client, roundId)));
    const ended = await unlessStuck(stuckAfterMs, client, stack, results);
    expect(ended.map(({ gate }) => gate)).toEqual(roundIds.map(() => 'approved'));
    for (const roundId of roundIds) {
      const outcomes = (await fingerprint(ledger, roundId)).map(({ outcome }) => outcome);
      expect(outcomes).not.toContain('infra_failure');
      expect(outcomes).toContain('scored');
    }
    expect(stack.processes().map(({ name, restarts }) => [name, restarts])).toEqual(
      stack.processes().map(({ name }) => [name, 0]),
    );
  } finally {
    await Promise.all(loops.map(endLoop));
    await sample.stop();
  }
});

const busyLoop = (): ChildProcess => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });

async function endLoop(loop: ChildProcess): Promise<void> {
  const ended = once(loop, 'exit');
  loop.kill('SIGKILL');
  await ended;
}

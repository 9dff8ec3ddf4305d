import { join } from 'node:path';
import { SupervisedChild } from '../../src/stack/processes/child.js';
import { layoutOf, type Stack } from '../../src/stack/index.js';
import { runnerSpec } from '../../src/stack/programs.js';
import { anyPort } from './port.js';
import { homeOf, tinyRunner } from './tiny-round.js';

/**
 * One more gpu-runner on the queue of a tiny stack, over the same store and the same work folder. It is not started again
 * when it is killed. Stop it before the stack.
 */
export async function startSecondRunner(stack: Stack, slots: number): Promise<SupervisedChild> {
  const layout = layoutOf(homeOf(stack));
  const env = { ...process.env, TEMPORAL_ADDRESS: stack.temporalAddress, TEMPORAL_CONFIG_FILE: layout.temporalConfig };
  const spec = runnerSpec(layout, { ...tinyRunner(layout.home), slots }, await anyPort(), env);
  const second = new SupervisedChild(
    { ...spec, logFile: secondLogOf(stack), restartDelaysMs: [] },
    join(layout.home, 'second-pids'),
    { onRestart: () => undefined, onGiveUp: () => undefined },
  );
  await second.start();
  return second;
}

export const firstLogOf = ({ logs }: Stack): string => join(logs, 'runner.log');
export const secondLogOf = ({ logs }: Stack): string => join(logs, 'second-runner.log');

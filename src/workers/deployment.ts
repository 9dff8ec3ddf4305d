import type { NativeConnection, WorkerDeploymentOptions } from '@temporalio/worker';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploymentName } from '../contract/index.js';
import { messageOf } from '../lib/error-message.js';
import { grpcCodeOf } from './grpc-code.js';

/** gRPC's codes for a version that has not polled yet, and for a server that is busy or away. */
const passing = [4, 5, 8, 9, 14];
const waitMs = 300;
/** A wait that takes longer is told once. */
const quietMs = 15_000;

/**
 * The version of a worker. Runs upgrade to the current version at their next task: a round may wait at its gate for a year,
 * and pinned to its build it would need that build's worker as long; the recorded histories hold that new code replays old runs.
 */
export const deploymentOf = (buildId: string): WorkerDeploymentOptions => ({
  useWorkerVersioning: true,
  version: { deploymentName, buildId },
  defaultVersioningBehavior: 'AUTO_UPGRADE',
});

/**
 * Makes a version the current one, which gets all tasks. The server learns of a version by its first poll, so this waits
 * until it has.
 *
 * @throws Error where the server refuses
 */
export async function makeCurrent(
  { connection, namespace }: { connection: NativeConnection; namespace: string },
  { buildId, identity }: { buildId: string; identity: string },
  { signal, warn }: { signal: AbortSignal; warn: (message: string) => void },
): Promise<void> {
  const request = { namespace, deploymentName, buildId, identity, ignoreMissingTaskQueues: true };
  for (let waitedMs = 0; !signal.aborted; waitedMs += waitMs) {
    try {
      await connection.workflowService.setWorkerDeploymentCurrentVersion(request);
      return;
    } catch (error) {
      if (!passing.includes(grpcCodeOf(error))) {
        throw new Error(
          `the server does not let build ${buildId} become the current version of the deployment "${deploymentName}" ` +
            `(${messageOf(error)}): let an operator do it, and start the worker with SELKIE_ROLLOUT=manual`,
          { cause: error },
        );
      }
      if (waitedMs === quietMs) warn(`the server does not know build ${buildId} yet: ${messageOf(error)}`);
    }
    await sleep(waitMs);
  }
}

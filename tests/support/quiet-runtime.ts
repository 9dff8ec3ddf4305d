import { DefaultLogger, Runtime } from '@temporalio/worker';

/** Temporal without its warnings, of which tests that provoke failures have too many. */
export function quietRuntime(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}

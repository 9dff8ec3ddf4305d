import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/**
 * Sends heartbeats for activities that report no progress, so that the work of a killed worker is given up after the
 * heartbeat timeout and not after the whole time of an attempt. An activity that ends within a third of the timeout
 * sends none.
 */
export const beating: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    async execute(input, next) {
      const { heartbeatTimeoutMs } = context.info;
      if (heartbeatTimeoutMs === undefined) return next(input);
      const timer = setInterval(() => context.heartbeat(), heartbeatTimeoutMs / 3);
      try {
        return await next(input);
      } finally {
        clearInterval(timer);
      }
    },
  },
});

import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/**
 * Beats for activities that have nothing to report, so that what a killed worker had in hand is given up after the heartbeat
 * timeout and not after the whole time of an attempt. What ends within a third of the timeout never beats.
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

import { pino, type Logger } from 'pino';
import { DefaultLogger, type Logger as TemporalLogger } from '@temporalio/worker';

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** JSON lines on stderr; stdout is for the few events that other programs read. */
export const createLogger = (): Logger => pino({ name: 'selkie-worker' }, pino.destination(2));

/** What Temporal's runtime, its workflows and its activities log, through the same logger. */
export const temporalLogger = (logger: Logger): TemporalLogger =>
  new DefaultLogger('INFO', ({ level, message, meta = {} }) => {
    // the SDK attaches errors under this name, pino prints them under the other
    const { error, ...rest } = meta as { error?: unknown };
    logger[levels[level]](error === undefined ? rest : { ...rest, err: error }, message);
  });

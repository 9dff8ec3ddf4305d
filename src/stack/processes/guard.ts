import { layoutOf } from '../layout.js';
import { stopRecorded } from '../stop.js';

/**
 * Outlives a supervisor that is killed: its standard input is a pipe from there, and when that closes, whatever the
 * records still list is stopped. After an ordinary stop they list nothing.
 */
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.stdin.resume();
process.stdin.once('close', () => {
  void stopRecorded(layoutOf(process.argv[2]));
});

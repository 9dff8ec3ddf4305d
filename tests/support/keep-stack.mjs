// Keeps a stack of Temporal and Postgres under the folder that is given, as `selkie up` does; prints a line when it is ready.
import { setInterval } from 'node:timers';
import { startStack } from '../../dist/stack/index.js';

const stack = await startStack({ home: process.argv[2], parts: ['temporal', 'postgres'] });
process.stdout.write(`${JSON.stringify({ attached: stack.attached, processes: stack.processes() })}\n`);
if (stack.attached) process.exit(0);
process.once('SIGTERM', () => void stack.stop().then(() => process.exit(0)));
setInterval(() => undefined, 60_000);

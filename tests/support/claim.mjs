// Claims a name as soon as others are there that do the same; prints whether it got it, and keeps it until it is let go.
import { once } from 'node:events';
import { claimRecord } from '../../dist/stack/processes/records.js';

process.stdout.write('here\n');
await once(process.stdin, 'data');
process.stdout.write(claimRecord(process.argv[2], 'supervisor', process.pid) === null ? 'no\n' : 'yes\n');
process.stdin.resume();

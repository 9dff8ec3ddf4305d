import getPort from 'get-port';
import { freePortNumbers } from '../../src/stack/index.js';

/** A free port, which this process does not give out again for a while. */
export const anyPort = (): Promise<number> => getPort({ port: freePortNumbers(), host: '127.0.0.1' });

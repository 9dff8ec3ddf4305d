// Other people's clients, for the full tier: in their own environment, since they must not move the runner's versions.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, home, installLog, isStamped, root, stamp } from './layout.mjs';
import { pipArgs, venvBin } from './python.mjs';
import { SetupError, Steps } from './steps.mjs';

export const clientsVenv = join(home, 'test-clients');
const requirements = join(root, 'tests', 'clients', 'requirements.txt');
const clientsStamp = join(clientsVenv, 'selkie.sha256');

/**
 * Makes the environment where it is missing or older than its requirements.
 * @returns {Promise<string | null>} why there is none: not every package index offers them
 */
export async function installClients() {
  const digest = digestOf([requirements]);
  if (isStamped(clientsStamp, digest)) return null;
  const steps = new Steps(1, installLog);
  const advice = 'The tests of third-party clients need what tests/clients/requirements.txt lists.';
  try {
    await steps.run('install third-party clients for their tests', async () => {
      rmSync(clientsVenv, { recursive: true, force: true });
      await steps.command(venvBin('python'), ['-m', 'venv', clientsVenv], advice);
      const pip = ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', '-r', requirements];
      await steps.command(join(clientsVenv, 'bin', 'python'), [...pip, ...pipArgs()], advice);
      stamp(clientsStamp, digest);
    });
    return null;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return error.message;
  }
}

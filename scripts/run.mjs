// The way in on a bare machine: installs what is missing, then hands over to the CLI in this very process.
//   node scripts/run.mjs COMMAND [ARGUMENTS]
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { install } from './setup/install.mjs';
import { cli } from './setup/layout.mjs';
import { SetupError } from './setup/steps.mjs';

const args = process.argv.slice(2);
try {
  if (args[0] === 'down' && !existsSync(cli)) {
    console.log('Nothing was built here, so nothing runs.');
  } else {
    const seconds = args[0] === 'down' ? 0 : await install(['service', 'temporal']);
    process.env.SELKIE_INSTALL_SECONDS = seconds.toFixed(1);
    process.argv = [process.execPath, cli, ...args];
    await import(pathToFileURL(cli).href);
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nselkie: ${error.message}`);
  process.exitCode = 1;
}

import { Command } from '@commander-js/extra-typings';
import { layoutOf, stopStack } from '../../stack/index.js';
import { print } from '../output.js';

/** `selkie down` */
export function downCommand(): Command {
  const down = new Command('down')
    .description('stop what `up` or `demo` started; everything stays on disk')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npm run down')
    .action(async ({ json }) => {
      const stopped = await stopStack(layoutOf());
      print({ stopped }, stopped.length === 0 ? 'nothing was running' : `stopped ${stopped.join(', ')}`, json);
    });
  return down;
}

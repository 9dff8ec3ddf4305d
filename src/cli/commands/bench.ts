import { Command } from '@commander-js/extra-typings';
import { benches } from '../../report/index.js';
import { CliError, exitCodes } from '../errors.js';
import { print, say } from '../output.js';

/** `selkie bench NAME` */
export function benchCommand(): Command<[string, string[]]> {
  const names = Object.keys(benches).sort();
  return new Command('bench')
    .description('measure something, and say whether it is as promised')
    .argument('<name>', `which: ${names.join(', ') || 'none yet'}`)
    .argument('[arguments...]', 'after --: more for the bench itself, such as --curve for engine')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ npm run bench -- learning --json\n  $ npm run bench -- engine -- --curve')
    .action(async (name, args, { json }) => {
      const load = benches[name];
      if (load === undefined) {
        throw new CliError(`there is no bench "${name}"; there is: ${names.join(', ') || 'none'}`, exitCodes.usage);
      }
      const bench = await load();
      const result = await bench.run({ onProgress: say, args });
      print(result.json, result.text, json);
      if (!result.passed) process.exitCode = exitCodes.failed;
    });
}

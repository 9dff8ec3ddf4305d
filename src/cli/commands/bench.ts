import { Command } from '@commander-js/extra-typings';
import { benches } from '../../bench/index.js';
import { CliError, exitCodes } from '../errors.js';
import { print, say } from '../output.js';

const asksForHelp = (argument: string): boolean => argument === '--help' || argument === '-h';

/** `selkie bench NAME` */
export function benchCommand(): Command<[string | undefined, string[]]> {
  const names = Object.keys(benches).sort();
  const bench = new Command('bench')
    .description('measure something, and say whether it is as promised')
    .argument('[name]', `which: ${names.join(', ')}`)
    .argument('[arguments...]', 'of the bench itself, such as --curve of engine')
    .option('--json', 'print JSON')
    // every other option is the bench's own, its help too
    .helpOption(false)
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
\`bench NAME --help\` shows the arguments of one.

Examples:
  $ npm run bench -- learning --json
  $ npm run bench -- learning --help
  $ npm run bench -- engine --curve`,
    )
    .action(async (name, args, { json }) => {
      if (name === undefined || asksForHelp(name)) return bench.help({ error: name === undefined });
      const load = benches[name];
      if (load === undefined) {
        throw new CliError(`there is no bench "${name}"; there is: ${names.join(', ')}`, exitCodes.usage);
      }
      const loaded = await load();
      const { summary, usage } = loaded;
      if (usage !== undefined && args.some(asksForHelp)) {
        print({ name, summary, usage }, `${name}: ${summary}\n\n${usage}`, json);
        return;
      }
      const result = await loaded.run({ onProgress: say, args: args.filter((argument) => argument !== '--') });
      print(result.json, result.text, json);
      if (!result.passed) process.exitCode = exitCodes.failed;
    });
  return bench;
}

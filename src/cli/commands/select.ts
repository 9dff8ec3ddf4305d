import { Command, Option } from '@commander-js/extra-typings';
import { readFile, writeFile } from 'node:fs/promises';
import { parseReferenceRank, renderRows } from '../../seal/reference-rank.js';
import { select } from '../../seal/select.js';
import { CliError, exitCodes } from '../errors.js';
import { print } from '../output.js';

const rules = ['gain', 'reference'] as const;

/** `selkie select --from FILE --rule RULE --out FILE` */
export function selectCommand(): Command {
  return new Command('select')
    .description("choose one edit per source from a rank file of SEAL's, and write them as training rows")
    .requiredOption('--from <file>', "a rank file in SEAL's form (rank_iter0.json)")
    .addOption(
      new Option('--rule <rule>', "SEAL's best-of-k, or only edits that gain").choices(rules).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'where to write the chosen rows, as JSONL')
    .option('--minimum <gain>', 'with --rule gain: take no edit that gains no more than this', Number, 0)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie select --from rank_iter0.json --rule reference --out sft.jsonl')
    .action(async ({ from, rule, out, minimum, json }) => {
      if (Number.isNaN(minimum)) throw new CliError('--minimum is not a number', exitCodes.usage);
      const rank = parseReferenceRank(await readJson(from));
      if (!rank.ok) {
        throw new CliError(`${from} is no rank file:\n  ${rank.problems.slice(0, 20).join('\n  ')}`, exitCodes.usage);
      }
      const selection = select(rank.value.records(rule), { rule, minimum, maxCanariesLost: 1 });
      await writeFile(out, renderRows(rank.value, selection));
      const { chosen, without, ties, digest } = selection;
      print(
        { rule, chosen: chosen.length, without, ties, digest, out },
        [
          `${chosen.length} edits chosen by the rule "${rule}", ${ties} of them in a tie; written to ${out}`,
          ...without.map(({ sourceId, reason }) => `none for ${sourceId}: ${reason}`),
        ].join('\n'),
        json,
      );
    });
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, exitCodes.notFound);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(`${file} is not JSON: ${(error as Error).message}`, exitCodes.usage);
  }
}

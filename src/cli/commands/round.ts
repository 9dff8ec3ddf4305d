import { Command, Option } from '@commander-js/extra-typings';
import { timeStamp } from '../../lib/format.js';
import { campaignId } from '../../contract/index.js';
import { shellWord } from '../../lib/shell-word.js';
import { withSession } from '../connect.js';
import { atMost } from '../arguments.js';
import { print } from '../output.js';
import { withSources } from '../sources.js';
import { readRoundConfig } from '../round/config.js';
import { signalRound, orders, type Order } from '../round/control.js';
import { listRounds, listText } from '../round/list.js';
import { showRound, shownText } from '../round/show.js';
import { fromReleased, sayWhatIsLive, startRound } from '../round/start.js';
import { viewText } from '../round/text.js';
import { viewRound } from '../round/view.js';
import { watchRound } from '../round/watch.js';

const mostListed = 1000;

/** `selkie round start | list | show | status | watch | pause | resume | stop | cancel` */
export function roundCommand(): Command {
  const round = new Command('round').description('start a round, see how one stands, tell it what to do');

  round
    .command('start')
    .description('start a round; its config has a default for everything')
    .option('--config <file or json>', 'the round config, or a part of it')
    .option('--id <id>', 'the workflow id of the round; by default <tenant>.<time>')
    .option('--as <name>', 'who asks for it, whose approval does not count; by default your name on this machine')
    .addOption(
      new Option('--from <policy>', 'the policy that it starts from: the one that is live, or none')
        .choices(['base', 'released'])
        .default('base'),
    )
    .option('--watch', 'wait for the end and show how it goes; exit code 0 only if its policy was released')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A corpus is looked for from the folder in which you type, if the stack runs on this machine.

Examples:
  $ npx selkie round start
  $ npx selkie round start --config '{"sources": {"train": 2}, "editsPerSource": 2}' --watch
  $ npx selkie round start --config examples/configs/small.json --id demo.monday --as ann --from released`,
    )
    .action(async ({ config, id, as, from, watch, json }) => {
      const given = readRoundConfig(config, as);
      await withSession(async (session) => {
        const input = from === 'released' ? await fromReleased(given) : given;
        const roundId = id ?? campaignId(input.tenant, `round-${timeStamp(new Date())}`);
        await startRound(session, roundId, input);
        await sayWhatIsLive(session, input);
        if (watch === true) {
          await watchRound(session, roundId, json);
          return;
        }
        print(
          { roundId, workflowId: roundId },
          `started ${roundId}\n  npx selkie round watch ${shellWord(roundId)}\n  npx selkie gate list`,
          json,
        );
      });
    });

  round
    .command('list')
    .description('the latest rounds, the newest first')
    .option('--running', 'only those that run')
    .option('--limit <n>', 'most rounds to list', atMost(mostListed), 20)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ npx selkie round list\n  $ npx selkie round list --running --json')
    .action(({ running, limit, json }) =>
      withSources(async (sources) => {
        const rounds = await listRounds(sources, { running: running === true, limit });
        print(rounds, listText(rounds), json);
      }),
    );

  round
    .command('show')
    .description(
      'all that the ledger has of a round: stage, trials, gate with its decisions, release; no worker is needed',
    )
    .argument('<id>', 'the workflow id of the round')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie round show demo.monday')
    .action((id, { json }) =>
      withSources(async (sources) => {
        const shown = await showRound(sources, id);
        print(shown, shownText(shown), json);
      }),
    );

  round
    .command('status')
    .description('how a round stands by its own word; exit code 0 whenever that can be said')
    .argument('<id>', 'the workflow id of the round')
    .option('--json', 'print JSON: released is null until it is decided; stageTrials are those of the stage under way')
    .addHelpText('after', '\nExample:\n  $ npx selkie round status demo.monday')
    .action((id, { json }) =>
      withSession(async ({ client }) => {
        const view = await viewRound(client, id);
        print(view, viewText(view), json);
      }),
    );

  round
    .command('watch')
    .description('follow a round to its end; exit code 0 only if its policy was released')
    .argument('<id>', 'the workflow id of the round')
    .option('--json', 'print one JSON document a line for each change, the last with the result')
    .addHelpText('after', '\nExample:\n  $ npx selkie round watch demo.monday')
    .action((id, { json }) => withSession((session) => watchRound(session, id, json)));

  for (const [control, description] of Object.entries(orders) as [Order, string][]) {
    round
      .command(control)
      .description(description)
      .argument('<id>', 'the workflow id of the round, or of a campaign')
      .option('--json', 'print JSON')
      .addHelpText('after', `\nExample:\n  $ npx selkie round ${control} demo.monday`)
      .action((id, { json }) =>
        withSession(async ({ client }) => {
          const said = await signalRound(client, id, control);
          print({ id, told: control, said }, said, json);
        }),
      );
  }
  return round;
}

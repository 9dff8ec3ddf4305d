import { Command } from '@commander-js/extra-typings';
import { signalNames } from '../../contract/index.js';
import { withSession } from '../connect.js';
import { exitCodes } from '../errors.js';
import { decide } from '../gate/decide.js';
import { decidedText, gateText, listText } from '../gate/text.js';
import { openGates, viewGate } from '../gate/view.js';
import { print } from '../output.js';

/** `selkie gate list | show | approve | reject` */
export function gateCommand(): Command {
  const gate = new Command('gate').description('see what waits for a decision, and decide');

  gate
    .command('list')
    .description('the open gates')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie gate list')
    .action(({ json }) =>
      withSession(async ({ client }) => {
        const listed = await openGates(client);
        const values = listed.map((one) => ('gate' in one ? one.gate : one));
        print(values, listText(listed), json);
      }),
    );

  gate
    .command('show')
    .description('one gate: what is decided, by whom, until when')
    .argument('<id>', 'the id of the gate or of its round')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie gate show demo.monday')
    .action((id, { json }) =>
      withSession(async ({ client }) => {
        const view = await viewGate(client, id);
        print(view, gateText(view), json);
      }),
    );

  for (const decision of [signalNames.approve, signalNames.reject] as const) {
    gate
      .command(decision)
      .description(
        decision === 'approve'
          ? 'let the policy be released, and say whether it was; exit code 1 where it was not'
          : 'keep the policy back; one reject is a veto',
      )
      .argument('<id>', 'the id of the gate or of its round')
      .requiredOption('--as <name>', 'who decides')
      .option('--note <text>', 'why')
      .option('--digest <sha256>', 'decide only if this is what the gate is about')
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        `\nExample:\n  $ npx selkie gate ${decision} demo.monday --as alice --note "read the report"`,
      )
      .action((id, { as, note, digest, json }) =>
        withSession(async ({ client }) => {
          const decided = await decide(client, id, { decision, approver: as, note, digest });
          const { view, verdict, release } = decided;
          print({ ...view, verdict, release }, decidedText(decided), json);
          if (!verdict.counted || release?.released === false) process.exitCode = exitCodes.failed;
        }),
      );
  }
  return gate;
}

import { Command } from '@commander-js/extra-typings';
import { signalNames } from '../../contract/index.js';
import { withSession } from '../connect.js';
import { exitCodes } from '../errors.js';
import { decide } from '../gate/decide.js';
import { decidedText, foundGateText, listText } from '../gate/text.js';
import { findGate, openGates, type FoundGate } from '../gate/view.js';
import { print } from '../output.js';
import { withSources } from '../sources.js';

/** `selkie gate list | show | approve | reject` */
export function gateCommand(): Command {
  const gate = new Command('gate').description('see what waits for a decision, and decide');

  gate
    .command('list')
    .description('the open gates')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie gate list')
    .action(({ json }) =>
      withSources(async (sources) => {
        const listed = await openGates(sources);
        const values = listed.map((one) => ('gate' in one ? withSilence(one) : one));
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
      withSources(async (sources) => {
        const found = await findGate(sources, id);
        print(withSilence(found), foundGateText(found), json);
      }),
    );

  for (const decision of [signalNames.approve, signalNames.reject] as const) {
    gate
      .command(decision)
      .description(
        decision === 'approve'
          ? 'let the policy be released, and say whether it was; exit code 1 where it was not, 0 where more approvals are needed'
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

/** A gate's view, with why it does not say it itself where that is so. */
const withSilence = ({ gate, silence }: FoundGate) => (silence === null ? gate : { ...gate, silence });

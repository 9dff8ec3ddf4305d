import { Command, Option } from '@commander-js/extra-typings';
import { CliError, exitCodes } from '../errors.js';
import { withLedger } from '../ledger.js';
import { print } from '../output.js';
import { setPolicy, type PolicyChange } from '../policy/change.js';
import { policyText } from '../policy/text.js';
import { userName } from '../round/config.js';
import { positive } from '../arguments.js';
import { readTextFile } from '../text/text-file.js';

/** `selkie policy show | set` */
export function policyCommand(): Command {
  const policy = new Command('policy').description("see and set what a tenant demands of its rounds' gates");

  policy
    .command('show')
    .description('the policy in force; a round may be stricter, never laxer')
    .argument('<tenant>')
    .option('--json', 'print JSON; null where the tenant has no policy')
    .addHelpText('after', '\nExample:\n  $ npx selkie policy show demo')
    .action(async (tenant, { json }) => {
      const stored = await withLedger((ledger) => ledger.tenantPolicies.latest(tenant));
      print(stored, policyText(tenant, stored), json);
    });

  policy
    .command('set')
    .description('write the next version: what is not named stays as it is; gates that are open keep their rules')
    .argument('<tenant>')
    .option('--file <json>', 'a file with fields of the policy')
    .option('--needed <n>', 'approvals that a gate needs at least', positive)
    .option('--approvers <names...>', 'who may decide')
    .option('--anybody', 'everybody may decide')
    .option('--requester-may-approve', 'the approval of who asked for the round counts')
    .option('--no-requester-may-approve', 'it does not count')
    .option('--deadline <seconds>', 'the longest that a gate waits', positive)
    .addOption(new Option('--on-timeout <outcome>', 'what happens then').choices(['reject', 'hold']))
    .addOption(
      new Option(
        '--trust <trust>',
        'which decisions count; signatures are not verified yet: "signed" lets nothing pass',
      ).choices(['signed', 'unsigned']),
    )
    .option('--as <name>', 'who sets it; by default your name on this machine')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ npx selkie policy set demo --needed 2
  $ npx selkie policy set acme --trust unsigned --approvers ann bob cy --needed 2 --deadline 86400
  $ npx selkie policy set acme --file policy.json --as ann`,
    )
    .action(async (tenant, options) => {
      const { file, needed, approvers, anybody, requesterMayApprove, deadline, onTimeout, trust, as, json } = options;
      if (anybody === true && approvers !== undefined) {
        throw new CliError('--anybody and --approvers exclude each other', exitCodes.usage);
      }
      const flags: PolicyChange = {
        needed,
        approvers: anybody === true ? [] : approvers,
        requesterMayApprove,
        deadlineSeconds: deadline,
        onTimeout,
        trust,
      };
      const named = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
      const change = { ...(file === undefined ? {} : readPolicyFile(file)), ...named };
      if (Object.keys(change).length === 0) {
        throw new CliError('nothing is to be changed: name a field of the policy', exitCodes.usage);
      }
      const setBy = as ?? userName() ?? 'unknown';
      const stored = await withLedger((ledger) => setPolicy(ledger, { tenant, change, setBy }));
      print(stored, policyText(tenant, stored), json);
    });
  return policy;
}

function readPolicyFile(file: string): object {
  let content: unknown;
  try {
    content = JSON.parse(readTextFile(file));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CliError(`--file ${file} is not JSON: ${error.message}`, exitCodes.usage);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new CliError(`--file ${file} is no JSON object`, exitCodes.usage);
  }
  return content;
}

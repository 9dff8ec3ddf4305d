import { Command } from '@commander-js/extra-typings';
import { findingText } from '../doctor/finding.js';
import { machineFindings } from '../doctor/machine.js';
import { serverFindings } from '../doctor/servers.js';
import { exitCodes } from '../errors.js';
import { print } from '../output.js';

/** `selkie doctor` */
export function doctorCommand(): Command {
  const doctor = new Command('doctor')
    .description('look at everything that Selkie needs, and say what is missing; exit code 1 if something is')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
It looks at this machine, and at the servers of the running stack or of TEMPORAL_ADDRESS, DATABASE_URL and SELKIE_INFERENCE_URL.

Example:
  $ npx selkie doctor`,
    )
    .action(async ({ json }) => {
      const findings = [...(await machineFindings()), ...(await serverFindings())];
      const ok = findings.every((finding) => finding.ok);
      print({ ok, findings }, findings.map(findingText).join('\n'), json);
      if (!ok) process.exitCode = exitCodes.failed;
    });
  return doctor;
}

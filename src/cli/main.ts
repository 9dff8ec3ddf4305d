#!/usr/bin/env node
import { Command, CommanderError } from '@commander-js/extra-typings';
import { pathToFileURL } from 'node:url';
import { realpathSync } from 'node:fs';
import { benchCommand } from './commands/bench.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { downCommand } from './commands/down.js';
import { gateCommand } from './commands/gate.js';
import { roundCommand } from './commands/round.js';
import { selectCommand } from './commands/select.js';
import { upCommand } from './commands/up.js';
import { CliError, exitCodes, isForPeople } from './errors.js';

/** The whole command line. */
export function program(): Command {
  const selkie = new Command('selkie')
    .description('self-adapting language models (SEAL) as durable, inspectable rounds')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 tried without success, 2 wrong usage, 3 nothing answers, 4 not found, 130 interrupted.

Examples:
  $ npm run demo
  $ npm run up -- --detach
  $ npx selkie round start --watch
  $ npx selkie gate list`,
    );
  const commands = [
    upCommand(),
    downCommand(),
    doctorCommand(),
    demoCommand(),
    roundCommand(),
    gateCommand(),
    selectCommand(),
    benchCommand(),
  ];
  for (const command of commands) selkie.addCommand(command);
  return throwing(selkie);
}

/** Commander would end the process itself; we say what the exit codes are. */
function throwing(command: Command): Command {
  command.exitOverride().showHelpAfterError('(add --help for examples)');
  for (const child of command.commands) throwing(child as unknown as Command);
  return command;
}

/** Runs the command line; returns the exit code. */
export async function run(argv: string[]): Promise<number> {
  try {
    await program().parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    // commander has said it already
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (!isForPeople(error)) throw error;
    const { message } = error;
    process.stderr.write(wantsJson(argv) ? `${JSON.stringify({ error: message })}\n` : `\nselkie: ${message}\n`);
    return error instanceof CliError ? error.exitCode : exitCodes.failed;
  }
}

// the demo's `--json` names a file; its output is for people
const wantsJson = (argv: string[]): boolean => argv.includes('--json') && argv[0] !== 'demo';

const started = process.argv[1];
if (started !== undefined && import.meta.url === pathToFileURL(realpathSync(started)).href) {
  // Exits by itself: gRPC channels and timers of libraries would keep the process for seconds more.
  process.exit(await run(process.argv.slice(2)));
}

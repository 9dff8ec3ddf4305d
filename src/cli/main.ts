#!/usr/bin/env node
import { Command, CommanderError } from '@commander-js/extra-typings';
import { pathToFileURL } from 'node:url';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { benchCommand } from './commands/bench.js';
import { corpusCommand } from './commands/corpus.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { downCommand } from './commands/down.js';
import { gateCommand } from './commands/gate.js';
import { ingestCommand } from './commands/ingest.js';
import { initCommand } from './commands/init.js';
import { policyCommand } from './commands/policy.js';
import { releaseCommand } from './commands/release.js';
import { roundCommand } from './commands/round.js';
import { selectCommand } from './commands/select.js';
import { snapshotCommand } from './commands/snapshot.js';
import { upCommand } from './commands/up.js';
import { isSet, loopbackDirect, repoRoot } from '../stack/index.js';
import { refuseBlanks } from './arguments.js';
import { exitCodes } from './errors.js';
import { explain } from './explain.js';
import { jsonLine } from './output.js';
import { safeLines } from './text/safe-text.js';

/** The whole command line. */
export function program(): Command {
  const selkie = new Command('selkie')
    .description('self-adapting language models (SEAL) as durable, inspectable rounds')
    .version(version(), '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 tried without success, 2 wrong usage, 3 nothing answers, 4 not found, 130 interrupted.

Examples:
  $ npm run demo
  $ npm run up -- --detach
  $ npx selkie corpus check handbook/
  $ npx selkie round start --watch
  $ npx selkie gate list`,
    );
  const commands = [
    upCommand(),
    downCommand(),
    doctorCommand(),
    corpusCommand(),
    initCommand(),
    ingestCommand(),
    snapshotCommand(),
    demoCommand(),
    roundCommand(),
    gateCommand(),
    policyCommand(),
    releaseCommand(),
    selectCommand(),
    benchCommand(),
  ];
  for (const command of commands) selkie.addCommand(command);
  selkie.hook('preAction', (_selkie, command) => refuseBlanks(command));
  return throwing(selkie);
}

/** Of package.json, which is above both `src/` and `dist/`. */
const version = (): string =>
  z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8'))).version;

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
    return fail(error, argv);
  }
}

/** Prints what went wrong, in one sentence, and returns the exit code. */
function fail(error: unknown, argv: string[]): number {
  const { message, exitCode } = explain(error);
  process.stderr.write(wantsJson(argv) ? jsonLine({ error: message }) : `\nselkie: ${safeLines(message)}\n`);
  if (isSet(process.env['SELKIE_DEBUG'])) console.error(error);
  return exitCode;
}

// the demo's `--json` names a file; its output is for people
const wantsJson = (argv: string[]): boolean => argv.includes('--json') && argv[0] !== 'demo';

const started = process.argv[1];
if (started !== undefined && import.meta.url === pathToFileURL(realpathSync(started)).href) {
  const argv = process.argv.slice(2);
  // what listens on this machine is asked directly, whatever proxy is set
  Object.assign(process.env, loopbackDirect(process.env));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => process.exit(fail(error, argv)));
  }
  // `| head` reads a line and goes
  process.stdout.on('error', () => process.exit(exitCodes.ok));
  // Exits by itself: gRPC channels and timers of libraries would keep the process for seconds more.
  process.exit(await run(argv));
}

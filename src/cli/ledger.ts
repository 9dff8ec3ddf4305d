import { Ledger } from '../ledger/index.js';
import { isSet, postgresProblem, runningStack, type StackState } from '../stack/index.js';
import { CliError, exitCodes } from './errors.js';

/**
 * Connects to the ledger of `DATABASE_URL`, or of a stack. Close it.
 *
 * @throws CliError where none is known, or it does not answer
 */
export async function connectLedger(stack: StackState | null): Promise<Ledger> {
  const given = process.env['DATABASE_URL'];
  const url = isSet(given) ? given : stack?.databaseUrl;
  if (url === undefined) {
    throw new CliError(
      'no ledger is known here: start the stack with `npm run up`, or name the ledger by DATABASE_URL.',
      exitCodes.unreachable,
    );
  }
  const problem = await postgresProblem(url);
  if (problem !== null) throw new CliError(`the ledger cannot be read: ${problem}`, exitCodes.unreachable);
  return Ledger.connect(url, { connections: 1 });
}

/** Runs `work` on the ledger of `DATABASE_URL`, or of the running stack. */
export async function withLedger<T>(work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await connectLedger(runningStack());
  try {
    return await work(ledger);
  } finally {
    await ledger.close();
  }
}

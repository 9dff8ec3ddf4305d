/** What the process exits with; scripts may rely on it. */
export const exitCodes = {
  ok: 0,
  /** it was tried and did not succeed */
  failed: 1,
  /** the command was called in a wrong way */
  usage: 2,
  /** nothing answers: no stack, no server */
  unreachable: 3,
  /** there is no such round, gate or file */
  notFound: 4,
  interrupted: 130,
} as const;

/** An error for the person at the keyboard: no stack trace, and a message that says what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
  ) {
    super(message);
  }
}

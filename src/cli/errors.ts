/** What the process exits with; scripts may rely on it. */
export const exitCodes = {
  ok: 0,
  /** it was tried and did not succeed */
  failed: 1,
  /** wrong usage */
  usage: 2,
  /** no stack or server answers */
  unreachable: 3,
  /** there is no such round, gate or file */
  notFound: 4,
  interrupted: 130,
} as const;

/** An error for the person at the keyboard: no stack trace, and a message that states what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
  ) {
    super(message);
  }
}

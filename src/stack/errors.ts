/** Something that the person at the keyboard can put right; the message states how. */
export class StackError extends Error {
  override readonly name: string = 'StackError';
}

/** A server does not answer, or refuses the connection. */
export class UnreachableError extends StackError {}

/** Something that the person at the keyboard can put right; the message says how. */
export class StackError extends Error {
  override readonly name: string = 'StackError';
}

/** Nothing answers, or it does not let us in. */
export class UnreachableError extends StackError {}

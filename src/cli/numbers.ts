import { InvalidArgumentError } from '@commander-js/extra-typings';

/** A whole number above 0, for an option. */
export function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('a whole number above 0 is needed.');
  return number;
}

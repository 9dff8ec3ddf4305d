import { InvalidArgumentError } from '@commander-js/extra-typings';

/** A whole number from 1 to `most`, for an option. */
export const atMost =
  (most: number) =>
  (value: string): number => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 1 || number > most) {
      throw new InvalidArgumentError(
        `a whole number above 0${most === Infinity ? '' : `, at most ${most},`} is needed.`,
      );
    }
    return number;
  };

/** A whole number above 0, for an option. */
export const positive = atMost(Infinity);

import { InvalidArgumentError } from '@commander-js/extra-typings';
import { CliError, exitCodes } from './errors.js';

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

/** The part of commander's command that is looked at, whatever its arguments are. */
interface Given {
  registeredArguments: readonly { name(): string }[];
  processedArgs: unknown[];
  opts(): Record<string, unknown>;
}

/** Refuses empty arguments: an empty word is an unset variable in a script, and no id, name or file is empty. */
export function refuseBlanks(command: Given): void {
  const given = [
    ...command.registeredArguments.map((argument, i): [string, unknown] => [
      `<${argument.name()}>`,
      command.processedArgs[i],
    ]),
    ...Object.entries(command.opts()).map(([name, value]): [string, unknown] => [`--${name}`, value]),
  ];
  const blank = given.find(([, value]) => typeof value === 'string' && value.trim() === '');
  if (blank !== undefined) throw new CliError(`${blank[0]} is empty`, exitCodes.usage);
}

import { CliError, exitCodes } from '../errors.js';

/** The part of commander's command that is looked at, whatever its arguments are. */
interface Given {
  registeredArguments: readonly { name(): string }[];
  processedArgs: unknown[];
  opts(): Record<string, unknown>;
}

/** An empty word is an unset variable in somebody's script: no id, name or file is empty. */
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

/** One word of a POSIX shell command, whatever the text is: for commands that people paste. */
export const shellWord = (text: string): string =>
  /^[\w.,:/=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

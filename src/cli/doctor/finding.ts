import { messageOf } from '../../lib/error-message.js';
/** One thing that Selkie needs, and how it is. */
export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** what to do about it; shown where it is not well */
  advice?: string;
}

export const findingText = ({ check, ok, detail, advice }: Finding): string =>
  `${ok ? 'ok     ' : 'missing'} ${check.padEnd(9)} ${detail}${ok || advice === undefined ? '' : `\n                  ${advice}`}`;

/** What a check that fails outright has found. */
export const failed = (check: string, error: unknown, advice?: string): Finding => ({
  check,
  ok: false,
  detail: messageOf(error),
  ...(advice === undefined ? {} : { advice }),
});

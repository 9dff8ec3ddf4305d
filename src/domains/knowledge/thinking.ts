const names = 'think|thinking|thought|thoughts|reasoning|reflection|scratchpad';
const open = new RegExp(String.raw`<(?:${names})>|◁think▷|<\|channel\|>analysis`, 'iu');
const close = new RegExp(String.raw`</(?:${names})>|◁/think▷|<\|channel\|>final(?:<\|message\|>)?`, 'giu');

/**
 * A completion without what a reasoning model thinks before it writes; null where the thinking never ends. The beginning
 * may be missing: some chat templates put it into the prompt.
 */
export function withoutThinking(completion: string): string | null {
  const end = [...completion.matchAll(close)].at(-1);
  const rest = end === undefined ? completion : completion.slice(end.index + end[0].length);
  return open.test(rest) ? null : rest;
}

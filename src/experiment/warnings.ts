import { resolveRecipe, type HeldOut } from '../contract/index.js';
import { code } from '../lib/markdown.js';
import type { Source } from '../domains/domain.js';
import type { BySource } from './by-source.js';
import type { Design } from './design.js';
import type { Evidence } from './evidence.js';

/** Documents that a warning names. */
const named = 5;

/** What a person should know before deciding and no number of the report shows. As markdown, one line each. */
export function warningsOf(evidence: Evidence, heldOut: HeldOut): string[] {
  return [...unexamined(evidence, heldOut), ...cutDocuments(evidence), ...unmeasured(evidence)];
}

function unexamined({ round, policy, heldOut: documents }: Evidence, { questions }: HeldOut): string[] {
  if (policy?.training == null || questions > 0) return [];
  const why =
    round.config.sources.heldOut === 0
      ? 'the round has no held-out documents (sources.heldOut is 0)'
      : `of ${documents.length} held-out documents none has a score by both policies`;
  return [`The new policy was examined on nothing: ${why}.`];
}

function cutDocuments({ round, passageTokens }: Evidence): string[] {
  const { maxLength } = resolveRecipe(round.config.recipe);
  const cut = passageTokens.filter(({ tokens }) => tokens > maxLength);
  if (cut.length === 0) return [];
  const names = cut.slice(0, named).map(({ label, tokens }) => `${code(label, 80)} (${tokens} tokens)`);
  const more = cut.length > named ? ` and ${cut.length - named} more` : '';
  return [
    `${cut.length} documents are longer than a training row (recipe.maxLength is ${maxLength} tokens), and what is beyond is ` +
      `not trained on: ${names.join(', ')}${more}. Split them into sections.`,
  ];
}

const hasB = ({ items }: Source): boolean => items.some(({ split }) => split === 'B');

const closedBookArms = ({ arms }: Design): string[] =>
  arms.flatMap(({ id, measured }) => (!('trials' in measured) && measured.asked === 'closedBook' ? [id] : []));

function unmeasured({ train, heldOut, before, heldOutBaseline, round, design }: Evidence): string[] {
  const lacks = (measured: BySource, of: { sourceId: string }[]): number =>
    of.filter(({ sourceId }) => !measured.has(sourceId)).length;
  const missing = [
    {
      what: 'training documents by the old policy',
      count: Math.max(
        0,
        ...closedBookArms(design).map((id) => lacks(before.get(id) ?? new Map<string, number>(), train.filter(hasB))),
      ),
    },
    { what: 'held-out documents by the old policy', count: lacks(heldOutBaseline.old, heldOut) },
    {
      what: 'held-out documents by the new policy',
      count: round.new === null ? 0 : lacks(heldOutBaseline.new, heldOut),
    },
  ].filter(({ count }) => count > 0);
  if (missing.length === 0) return [];
  const text = missing.map(({ what, count }) => `${count} ${what}`).join(', ');
  return [`What was known before training could not be measured of ${text}: they are left out of comparisons with it.`];
}

import { upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { searchAttributes, type RunSettings, type SearchAttributeName } from '../../contract/index.js';

export type Tags = { [N in SearchAttributeName]?: (typeof searchAttributes)[N] extends 'Keyword' ? string : number };

/** A keyword column of a Postgres visibility store has 255 characters. */
const longestKeyword = 255;

/** Tags as Temporal's pairs, without those that the server does not have: an unknown one would wedge the workflow. */
export function pairsOf({ searchAttributes: registered }: RunSettings, tags: Tags): SearchAttributePair[] {
  return registered.flatMap((name) => {
    const value = tags[name];
    return value === undefined ? [] : [pair(name, value)];
  });
}

/** Sets tags of the workflow that runs. */
export function tag(settings: RunSettings, tags: Tags): void {
  const pairs = pairsOf(settings, tags);
  if (pairs.length > 0) upsertSearchAttributes(pairs);
}

function pair(name: SearchAttributeName, value: string | number): SearchAttributePair {
  switch (searchAttributes[name]) {
    case 'Keyword':
      return { key: defineSearchAttributeKey(name, 'KEYWORD'), value: String(value).slice(0, longestKeyword) };
    case 'Int':
      return { key: defineSearchAttributeKey(name, 'INT'), value: Number(value) };
    case 'Double':
      return { key: defineSearchAttributeKey(name, 'DOUBLE'), value: Number(value) };
  }
}

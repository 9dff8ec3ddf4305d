import { describe, expect, it } from 'vitest';
import { activityContracts } from './activities.js';
import { tolerant } from './tolerant.js';
import { emptyResult } from './trials.js';

const result = emptyResult('t.edits.s00.e0000', 'diverged', 'the loss grew');
const contract = activityContracts.recordOutcome;

describe('a document with a version', () => {
  it('is of the first where it states none, as in a history of before', () => {
    const { version, ...unversioned } = result;
    expect(version).toBe(1);
    expect(tolerant(contract.result).parse(unversioned)).toEqual(result);
  });

  it('is read without the fields that a later writer added', () => {
    expect(tolerant(contract.result).parse({ ...result, costs: { money: 1 } })).toEqual(result);
    expect(contract.request.safeParse({ ...result, run: 1, costs: 1 }).success).toBe(false);
  });

  it('is refused in a version that this code cannot read', () => {
    expect(tolerant(contract.result).safeParse({ ...result, version: 2 }).success).toBe(false);
  });
});

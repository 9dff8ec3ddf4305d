import { expect, it } from 'vitest';
import { workflowTypes } from '../contract/index.js';
import * as workflows from './index.js';

it('exports the workflows of the contract and nothing else, as every export becomes a type', () => {
  expect(Object.keys(workflows).sort()).toEqual(Object.values(workflowTypes).sort());
});

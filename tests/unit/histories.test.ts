import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { DeterminismViolationError } from '@temporalio/workflow';
import { workflowTypes } from '../../src/contract/index.js';
import { expectWithinBudget, readCorpus, replay, typeOf, type RecordedHistory } from '../support/histories.js';
import { quietRuntime } from '../support/quiet-runtime.js';
import { payloadConverterPath, workflowBundle } from '../support/workflow-bundle.js';

// No server here: what older versions left behind must replay on today's workflows.
describe('the recorded histories', { timeout: 120_000 }, () => {
  let corpus = new Map<string, RecordedHistory>();
  let converter = '';

  beforeAll(async () => {
    quietRuntime();
    corpus = await readCorpus();
    converter = await payloadConverterPath();
  });

  it('are there, of every workflow', () => {
    expect(corpus.size).toBeGreaterThan(0);
    expect(new Set([...corpus.values()].map(typeOf))).toEqual(new Set(Object.values(workflowTypes)));
    expectWithinBudget([...corpus.values()]);
  });

  it('replay', async () => {
    expect(await replay([...corpus.values()], await workflowBundle(), converter)).toEqual([]);
  });

  it('do not replay when two activities of a trial have changed places', async () => {
    const entry = fileURLToPath(new URL('../support/reordered-workflows.ts', import.meta.url));
    const broken = await replay([...corpus.values()], await workflowBundle(entry), converter);
    const trials = [...corpus.values()].filter((recorded) => typeOf(recorded) === workflowTypes.trial);
    expect(broken.map(({ workflowId }) => workflowId).sort()).toEqual(trials.map((t) => t.workflowId).sort());
    for (const { error } of broken) expect(error).toBeInstanceOf(DeterminismViolationError);
  });
});

import { z } from 'zod';
import { artifactManifestSchema } from './artifacts.js';
import { errorTypes } from './errors.js';
import { exampleSchema, recipePresets } from './recipe.js';
import {
  describeModelRequestSchema,
  describeModelResultSchema,
  trainFailureSchema,
  trainHeartbeatSchema,
  trainRequestSchema,
  trainResultSchema,
} from './training.js';

/** What the runner shares with the rest. Its pydantic models are checked against these; `golden/` has samples of each. */
export const runnerSchemas = {
  artifactManifest: artifactManifestSchema,
  describeModelRequest: describeModelRequestSchema,
  describeModelResult: describeModelResultSchema,
  example: exampleSchema,
  trainFailure: trainFailureSchema,
  trainHeartbeat: trainHeartbeatSchema,
  trainRequest: trainRequestSchema,
  trainResult: trainResultSchema,
} as const;
export type RunnerSchemaName = keyof typeof runnerSchemas;

/** The content of `gpu-runner/contract/contract.json`; a test holds the file equal to this. */
export const runnerContract = () => ({
  schemas: Object.fromEntries(
    Object.entries(runnerSchemas).map(([name, schema]) => [name, z.toJSONSchema(schema, { target: 'draft-2020-12' })]),
  ),
  errorTypes,
  recipePresets,
});

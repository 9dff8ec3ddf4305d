import { utf8ToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { adapterRefSchema } from './artifacts.js';
import { gateProblems } from './gates.js';
import { closestOf } from '../lib/closest.js';
import { bounds, defaultModel, demoTenant, nameSchema, taskQueues } from './names.js';
import { recipePresets, recipeSchema, type Recipe } from './recipe.js';
import { brokenTexts, hasControls } from '../lib/visible.js';

const recipeChoiceSchema = z.strictObject({
  preset: z.enum(Object.keys(recipePresets) as [keyof typeof recipePresets, ...(keyof typeof recipePresets)[]]),
  ...recipeSchema.partial().shape,
});

/** A preset with the given fields replaced. */
export function resolveRecipe({ preset, ...overrides }: z.infer<typeof recipeChoiceSchema>): Recipe {
  return recipeSchema.parse({ ...recipePresets[preset], ...overrides });
}

/** A year: a longer time is a mistake, and past some length no time at all to the server. */
export const longestSeconds = 31_536_000;
const duration = z.number().positive().max(longestSeconds);

const profile = (startToCloseSeconds: number, attempts: number) =>
  z
    .strictObject({
      startToCloseSeconds: duration.default(startToCloseSeconds),
      attempts: z.int().min(1).max(100).default(attempts),
    })
    .prefault({});

/** How long an attempt of an activity may take, and how many there are, by what it does. */
export const profilesSchema = z
  .strictObject({
    readOnly: profile(60, 10),
    generate: profile(900, 5),
    train: profile(3600, 5),
    /** of a round's policy, on the pairs of all rounds so far */
    trainPolicy: profile(21_600, 5),
    evaluate: profile(1800, 5),
    publishOnce: profile(120, 10),
    /** seconds without a heartbeat after which an attempt is given up */
    heartbeatSeconds: duration.default(30),
    /** seconds before the first retry; it doubles up to a minute */
    retryInitialSeconds: duration.default(2),
  })
  .prefault({});
export type Profiles = z.infer<typeof profilesSchema>;

/** Any other name would wedge the workflow that sends work there. */
const taskQueue = z
  .string()
  .min(1)
  .max(200)
  .refine((queue) => !queue.startsWith('/_sys/') && !hasControls(queue), 'a name that Temporal takes for a task queue');

/** What a round may be asked for. Every field has a default: `{}` is a small round on the sample corpus. */
export const roundConfigSchema = z.strictObject({
  tenant: nameSchema.default(demoTenant),
  /** a name in the runner's model registry; the same name is served */
  model: z.string().min(1).max(200).default(defaultModel),
  /** what the task is: one of the worker's domains, by name */
  domain: z.string().min(1).max(40).default('knowledge'),
  /** the task queue of the gpu-runners that train it: one queue for each model and kind of device */
  gpuQueue: taskQueue.default(taskQueues.gpu),
  /** the task queue of the workers whose model server serves it; left out: the model's own (`llmQueueOf`) */
  llmQueue: taskQueue.optional(),
  /** how the model is asked to write edits: by its chat template, or with plain text */
  promptStyle: z.enum(['chat', 'base']).default('chat'),
  /** `sample` (the domain's own), or a file or folder of JSON, JSONL, CSV or TSV under the worker's `SELKIE_CORPUS_ROOTS` */
  corpus: z.string().min(1).default('sample'),
  /** how many documents of each part the round uses, in the corpus's order; 0 held-out sources: no examination */
  sources: z
    .strictObject({ train: z.int().min(1).max(80_000).default(6), heldOut: z.int().min(0).max(10_000).default(4) })
    .prefault({}),
  editsPerSource: z.int().min(1).max(64).default(3),
  /** the domain's ways to ask for an edit: edit `i` of a source is written with template `i mod n`; empty: the domain's first */
  templates: z.array(z.string().min(1).max(40)).max(20).default([]),
  sampling: z
    .strictObject({
      temperature: z.number().min(0).max(2).default(0.6),
      topP: z.number().gt(0).max(1).default(0.95),
      /** of one completion; a self-edit may take several */
      maxTokens: z.int().min(16).max(4096).default(96),
    })
    .prefault({}),
  /** how a trial's adapter is trained: `{ "preset": "small", "epochs": 4 }` */
  recipe: recipeChoiceSchema.default({ preset: 'small' }),
  /** how an adapter is trained on all rows of a document: its merged edits, or the rows made by rule */
  documentRecipe: recipeChoiceSchema.default({ preset: 'small-document' }),
  /**
   * rows of general questions, with the learner's own answers as targets, that are trained on for each row of a document under
   * `documentRecipe`, so that the adapter forgets less; 0: none
   */
  replay: z.number().min(0).max(4).default(0.5),
  /** what the round's policy layer is trained on, and how */
  policy: z
    .strictObject({
      /**
       * what the policy learns of the candidates: `rest-em`, the chosen edits alone; `advantage-weighted`, every edit above the
       * mean of its source's, by how far it is above
       */
      update: z.enum(['rest-em', 'advantage-weighted']).default('rest-em'),
      /** `base`: from the base on all pairs so far (ReST-EM proper); `previous`: above the last policy, as SEAL does */
      from: z.enum(['base', 'previous']).default('base'),
      recipe: recipeChoiceSchema.default({ preset: 'small-policy' }),
    })
    .prefault({}),
  /** the policy that the round starts from, as a stack of layers; a campaign fills it in */
  startStack: z.array(adapterRefSchema).max(8).default([]),
  /** workflow ids of earlier rounds of the tenant, of the same model and prompt style, whose chosen pairs are trained on as well */
  earlierRounds: z.array(z.string().min(1)).max(100).default([]),
  /** the campaign whose round it is, from whose earlier rounds it learns too; the campaign fills it in */
  campaign: z.string().min(1).max(1000).optional(),
  reward: z
    .strictObject({
      /** the component of a score that a gain is measured in; `blend`: the domain's primary one, ties broken by `logLikelihood` */
      measure: z.string().min(1).max(40).default('blend'),
      /** subtracted for the whole set of canaries lost, in proportion */
      canaryPenalty: z.number().min(0).max(10).default(0.5),
      /** an edit is never chosen that loses a larger share of the canaries that its learner knew; 1: any may be */
      maxCanariesLost: z.number().min(0).max(1).default(0.75),
    })
    .prefault({}),
  selection: z
    .strictObject({
      rule: z.enum(['gain', 'reference']).default('gain'),
      /** `gain` takes no edit whose reward is not above this */
      minimum: z.number().default(0),
    })
    .prefault({}),
  controls: z
    .strictObject({
      /** also train on the passage alone */
      rawPassage: z.boolean().default(true),
      /** also train on all edits of a document, merged */
      merged: z.boolean().default(true),
      /** also train on rows that are made of a document by rule, without a model */
      rules: z.boolean().default(false),
      /** ask each chosen adapter another source's questions */
      otherSource: z.boolean().default(true),
      /** train the chosen edits again with fresh seeds before they are reported on questions B */
      freshSeeds: z.boolean().default(true),
    })
    .prefault({}),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(17),
  caps: z
    .strictObject({
      maxEditsPerRound: z.int().min(1).max(80_000).default(1000),
      maxStepsPerTrial: z.int().min(1).max(100_000).default(400),
      /** seconds of the device that the training of one trial may use */
      maxDeviceSeconds: z.number().positive().default(900),
      /** seconds of the device that the policy's training may use: on two cores some 20,000 pairs of the default recipe */
      maxPolicyDeviceSeconds: z.number().positive().default(10_800),
    })
    .prefault({}),
  /** trials in flight at once in a shard; size it to the runner's slots */
  window: z.int().min(1).max(50).default(16),
  /** a round with a larger share of `infra_failure` fails, from the twentieth trial of a shard on without waiting for the rest */
  maxFailedFraction: z.number().min(0).max(1).default(0.25),
  /** what the round asks of its gate; the tenant's policy may ask for more */
  gate: z
    .strictObject({
      needed: z.int().min(1).max(20).default(1),
      /** who may decide; empty: anybody but the requester */
      approvers: z.array(z.string().min(1).max(200)).max(100).default([]),
      deadlineSeconds: z.int().min(1).max(longestSeconds).default(86_400),
      /** what happens at the deadline; never an approval */
      onTimeout: z.enum(['reject', 'hold']).default('hold'),
      /** whether unsigned decisions count; a tenant other than `demo` that has no policy must set it */
      trust: z.enum(['signed', 'unsigned']).optional(),
    })
    .prefault({}),
  requestedBy: z.string().min(1).max(200).default('unknown'),
  profiles: profilesSchema,
});
export type RoundConfig = z.infer<typeof roundConfigSchema>;
export type RoundConfigInput = z.input<typeof roundConfigSchema>;

export const campaignConfigSchema = z.strictObject({
  /** rounds to run; 0: until stopped */
  rounds: z.int().min(0).max(10_000).default(2),
  round: roundConfigSchema.prefault({}),
  /** what the ledger does not know of the campaign's progress; set when it continues as new */
  progress: z
    .strictObject({
      /** no round before this one is run any more */
      nextRound: z.int().min(1).default(1),
      /** rounds in a row that failed and were left behind */
      failedInRow: z.int().min(0).default(0),
    })
    .prefault({}),
  /**
   * what happens after a round failed: `stop` ends the campaign, `retry` runs the round again a few times, after waits
   * that grow, `skip` continues with the next round
   */
  onRoundFailure: z.enum(['stop', 'retry', 'skip']).default('stop'),
});
export type CampaignConfig = z.infer<typeof campaignConfigSchema>;
export type CampaignConfigInput = z.input<typeof campaignConfigSchema>;

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: string[] };

/** Every problem of a config in words, with the valid keys where a key is unknown. `undefined` and `null` mean `{}`. */
export function parseConfig<S extends z.ZodObject>(schema: S, input: unknown): Parsed<z.output<S>> {
  const result = schema.safeParse(input ?? {});
  if (result.success) {
    const broken = brokenTexts(result.data).map((at) => `${at}: holds half of a surrogate pair (a broken character)`);
    return broken.length === 0 ? { ok: true, value: result.data } : { ok: false, problems: broken };
  }
  return {
    ok: false,
    problems: result.error.issues.map((issue) => {
      const where = issue.path.join('.');
      if (issue.code === 'unrecognized_keys') {
        const valid = validKeysAt(schema, issue.path);
        return `${where === '' ? 'unknown key' : `${where}: unknown key`} ${issue.keys.map((k) => unknownKey(k, valid)).join(', ')}; valid keys: ${valid.join(', ')}`;
      }
      return `${where === '' ? 'the config' : where}: ${issue.message}`;
    }),
  };
}

function unknownKey(key: string, valid: readonly string[]): string {
  const meant = closestOf(key.slice(0, 100), valid);
  return `"${key}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`;
}

/** Layers that a stack may hold. */
const mostLayers = 8;

/** Rules between fields, which the schema alone cannot say. */
export function roundConfigProblems(config: RoundConfig): string[] {
  const problems: string[] = [];
  problems.push(...gateProblems(config.gate, config.requestedBy));
  if (config.policy.from === 'previous' && config.startStack.length === mostLayers) {
    problems.push(`policy.from: "previous" would train a ninth layer and a stack holds ${mostLayers}; say "base"`);
  }
  const bytes = textBytes(JSON.stringify(config));
  if (bytes > bounds.configBytes) {
    problems.push(
      `the config has ${bytes} bytes and may have ${bounds.configBytes}; the largest field is ${largest(config)}`,
    );
  }
  return problems;
}

/** As {@link roundConfigProblems}, for a campaign: also what its rounds would run into one after another. */
export function campaignConfigProblems({ rounds, round, progress }: CampaignConfig): string[] {
  const left = rounds === 0 ? Infinity : rounds - progress.nextRound + 1;
  return [
    ...roundConfigProblems(round).map((problem) => `round.${problem}`),
    ...layersProblem(round.policy.from, round.startStack.length, left),
  ];
}

/** Why `rounds` more rounds do not fit above a policy of `layers` layers, if each adds one. */
export function layersProblem(from: RoundConfig['policy']['from'], layers: number, rounds: number): string[] {
  if (from === 'base' || layers + rounds <= mostLayers) return [];
  return [
    `round.policy.from: "previous" adds a layer with each release and a stack holds ${mostLayers}, of which ${layers} are taken: ` +
      `run ${mostLayers - layers} rounds at most, or say "base"`,
  ];
}

const textBytes = (text: string): number => utf8ToBytes(text).length;

const largest = (config: RoundConfig): string =>
  Object.entries(config)
    .map(([key, value]) => ({ key, bytes: textBytes(JSON.stringify(value)) }))
    .reduce((most, field) => (field.bytes > most.bytes ? field : most)).key;

function validKeysAt(schema: z.ZodObject, path: PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const key of path) {
    at = unwrap(at);
    at = at instanceof z.ZodObject ? (at.shape as Record<PropertyKey, unknown>)[key] : undefined;
  }
  at = unwrap(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    inner = inner.def.innerType;
  }
  return inner;
}

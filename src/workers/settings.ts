import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { defaultModel, llmQueueOf } from '../contract/index.js';

const sampleCorpus = fileURLToPath(new URL('../../corpus/sample', import.meta.url));

/** Empty, as Compose passes what is not set: not said. */
function rootsOf(paths = ''): string[] | null {
  const roots = paths.split(delimiter).filter((path) => path !== '');
  return roots.length > 0 ? roots : null;
}

/** An empty variable is what a file of variables leaves. */
const unlessEmpty = <S extends z.ZodType>(schema: S) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional());

const settingsSchema = z
  .object({
    DATABASE_URL: z
      .url({ protocol: /^postgres(ql)?$/, error: 'the ledger: postgres://user:password@host:port/database' })
      .describe('the ledger'),
    SELKIE_STORE: z.string({ error: 'the folder of the artifact store, shared with the gpu-runner' }).min(1),
    SELKIE_INFERENCE_URL: z.url({
      protocol: /^https?$/,
      error: "where the model server's OpenAI paths begin: http://host:port/v1",
    }),
    SELKIE_INFERENCE_KEY: z.string().min(1).optional(),
    // an empty one is what a file of variables leaves
    SELKIE_MODEL: z
      .string()
      .max(200)
      .transform((model) => model || defaultModel)
      .default(defaultModel),
    SELKIE_LLM_QUEUE: z.string().max(200).optional(),
    SELKIE_OPEN_QUESTIONS: unlessEmpty(
      z.coerce
        .number({ error: 'how many questions this worker has open at the model server at once: a whole number' })
        .int()
        .min(1)
        .max(10_000),
    ),
    SELKIE_CORPUS_DIR: z.string().min(1).default(sampleCorpus),
    SELKIE_CORPUS_ROOTS: z.string().optional(),
    SELKIE_ROLLOUT: z.enum(['auto', 'manual'], { error: '`auto` or `manual`' }).default('auto'),
    SELKIE_METRICS: unlessEmpty(
      z
        .string()
        .regex(/^([^:\s]+:)?\d{1,5}$/, "where the worker's metrics are read: port, or host:port")
        .transform((place) => (place.includes(':') ? place : `127.0.0.1:${place}`)),
    ),
  })
  .transform((env) => ({
    databaseUrl: env.DATABASE_URL,
    storeDir: env.SELKIE_STORE,
    inferenceUrl: env.SELKIE_INFERENCE_URL,
    inferenceKey: env.SELKIE_INFERENCE_KEY,
    /** the queue of what its model server is asked: of the model that this server has, as rounds derive it too */
    llmQueue: env.SELKIE_LLM_QUEUE || llmQueueOf(env.SELKIE_MODEL),
    openQuestions: env.SELKIE_OPEN_QUESTIONS,
    /** the folder of the sample corpora, one for each domain */
    corpusDir: env.SELKIE_CORPUS_DIR,
    /** folders that hold the rounds' corpora: by default the working directory, and the parent of the sample corpora */
    corpusRoots: rootsOf(env.SELKIE_CORPUS_ROOTS) ?? [process.cwd(), dirname(env.SELKIE_CORPUS_DIR)],
    /** `auto`: the worker makes its version the current one; `manual`: an operator does */
    rollout: env.SELKIE_ROLLOUT,
    /** host and port of the Prometheus endpoint; undefined: none */
    metrics: env.SELKIE_METRICS,
  }));

/** The settings of a workflow worker, apart from Temporal's own environment configuration. */
export type WorkerSettings = z.output<typeof settingsSchema>;

/** The environment does not say all that a worker needs. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Compose sets an unset variable to the empty string. */
const withoutEmpty = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));

/**
 * Settings from environment variables.
 * @throws SettingsError that lists every variable that is missing or wrong, and what it is for
 */
export function readSettings(env: NodeJS.ProcessEnv): WorkerSettings {
  const parsed = settingsSchema.safeParse(withoutEmpty(env));
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => {
    const name = path.map(String).join('.');
    return `- ${name} ${withoutEmpty(env)[name] === undefined ? 'is not set' : 'is wrong'}: ${message}`;
  });
  throw new SettingsError(['the worker cannot start:', ...lines, '`npm run up` sets all of them.'].join('\n'));
}

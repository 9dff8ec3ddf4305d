import { z } from 'zod';

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'a lower-case hex sha256');

/**
 * A content address. Every artifact is a folder whose `manifest.json` lists `{ path, sha256, bytes }` for each file;
 * `sha256` is the digest of that manifest's bytes, `bytes` the sum of its files. Each process resolves the URI in its
 * own store (`<store>/sha256/<first two>/<sha256>/`).
 */
export const artifactRefSchema = z.strictObject({
  uri: z.string().regex(/^artifact:sha256\/[0-9a-f]{64}$/),
  sha256: sha256Schema,
  bytes: z.int().nonnegative(),
  mediaType: z.string().min(1),
});
export type ArtifactRef = z.infer<typeof artifactRefSchema>;

/** The manifest: canonical JSON (RFC 8785), files sorted by path, no time and no machine, so that equal content has an equal address. */
export const artifactManifestSchema = z.strictObject({
  mediaType: z.string().min(1),
  files: z.array(z.strictObject({ path: z.string().min(1), sha256: sha256Schema, bytes: z.int().nonnegative() })),
});
export type ArtifactManifest = z.infer<typeof artifactManifestSchema>;

export const mediaTypes = {
  /** `data.jsonl`, one {@link exampleSchema} a line */
  dataset: 'application/x-ndjson',
  /** a PEFT directory: `adapter_config.json`, `adapter_model.safetensors` */
  adapter: 'application/vnd.selkie.peft',
  /** `report.json` */
  report: 'application/json',
} as const;

/**
 * One LoRA layer. `layer` is the layer alone; `served` is the whole stack up to and with it, concatenated into one
 * PEFT adapter that a server can load (equal to `layer` for a stack one deep).
 */
export const adapterRefSchema = z.strictObject({
  layer: artifactRefSchema,
  served: artifactRefSchema,
  rank: z.int().positive(),
});
export type AdapterRef = z.infer<typeof adapterRefSchema>;

/** The base is frozen for ever; a model version is a stack of LoRA layers on it, lowest first. */
export const modelRefSchema = z.strictObject({
  base: z.string().min(1),
  baseDigest: sha256Schema,
  stack: z.array(adapterRefSchema).max(8),
});
export type ModelRef = z.infer<typeof modelRefSchema>;

const servedPrefix = 'selkie--';
/** Of the artifact's sha256, as much as a name holds. */
const servedDigits = 24;

/** Adapter names are immutable and carry their digest, so a server can never answer from a stale cache. */
export const servedName = (model: ModelRef): string => {
  const top = model.stack.at(-1);
  return top === undefined ? model.base : `${servedPrefix}${top.served.sha256.slice(0, servedDigits)}`;
};

/** Whether a name that a server lists is that of an adapter of Selkie's. */
export const isServedAdapter = (name: string): boolean => name.startsWith(servedPrefix);

/** Who wants an adapter on a model server. */
export interface AdapterHolder {
  /** the model server, by the task queue of the workers that ask it */
  server: string;
  /** the name that the adapter is served under */
  adapter: string;
  /** a worker's process, or whatever else needs the adapter served */
  holder: string;
}

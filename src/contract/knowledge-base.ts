import { z } from 'zod';
import { sha256Schema } from './artifacts.js';
import { canonicalDigest } from './digest.js';
import { documentVersionSchema } from './document-version.js';
import { demoTenant, nameSchema } from './names.js';

/** How documents are cut into passages. */
export const cutLimitsSchema = z.strictObject({
  /** estimated tokens of a passage at most */
  maxTokens: z.int().min(32).max(4096).default(400),
  /** the lowest heading that begins a passage; headings below it stay in the text */
  headingDepth: z.int().min(1).max(6).default(3),
});
export type CutLimits = z.infer<typeof cutLimitsSchema>;

const mib = 1024 ** 2;

/** What a knowledge base is made of. */
export const knowledgeBaseSchema = z.strictObject({
  version: documentVersionSchema,
  /** files, folders and http(s) addresses */
  sources: z.array(z.string().min(1).max(2000)).min(1).max(1000),
  /** globs of paths below a folder; empty: every file of a kind that is read */
  include: z.array(z.string().min(1).max(500)).max(100).default([]),
  exclude: z.array(z.string().min(1).max(500)).max(100).default([]),
  cut: cutLimitsSchema.prefault({}),
  maxFileBytes: z
    .int()
    .positive()
    .max(256 * mib)
    .default(32 * mib),
  maxFiles: z.int().positive().max(100_000).default(10_000),
});
export type KnowledgeBase = z.infer<typeof knowledgeBaseSchema>;

/** What a model learns and is asked about: a section of a document, or a part of one. */
export const passageSchema = z.strictObject({
  /** the document's path and the headings above the passage */
  passageId: z.string().min(1),
  /** of the file below its folder, or an address without its scheme */
  path: z.string().min(1),
  title: z.string().min(1),
  text: z.string().min(1),
});
export type Passage = z.infer<typeof passageSchema>;

/** Digest of what a passage states. */
export const passageDigest = ({ title, text }: Pick<Passage, 'title' | 'text'>): string =>
  canonicalDigest({ title, text });

/** Digest of passages by their ids and contents, in whatever order. */
export const snapshotDigest = (passages: readonly Passage[]): string =>
  canonicalDigest(Object.fromEntries(passages.map((passage) => [passage.passageId, passageDigest(passage)])));

/** Passages by id: `changed` have another title or text. */
export const snapshotDifferenceSchema = z.strictObject({
  new: z.array(z.string()),
  changed: z.array(z.string()),
  gone: z.array(z.string()),
  unchanged: z.int().nonnegative(),
});
export type SnapshotDifference = z.infer<typeof snapshotDifferenceSchema>;

export const snapshotSchema = z.strictObject({
  tenant: z.string(),
  name: z.string(),
  /** from 1, per knowledge base */
  number: z.int().positive(),
  snapshotDigest: sha256Schema,
  passages: z.int().nonnegative(),
  takenAt: z.string(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export interface KnowledgeBaseName {
  tenant: string;
  name: string;
}

/** `tenant/name`, or `name` of the demo's tenant; null where it is neither. */
export function parseKnowledgeBaseName(written: string): KnowledgeBaseName | null {
  const parts = written.split('/');
  const [tenant, name] = parts.length === 1 ? [demoTenant, parts[0]] : parts;
  const parsed = z.strictObject({ tenant: nameSchema, name: nameSchema }).safeParse({ tenant, name });
  return parts.length <= 2 && parsed.success ? parsed.data : null;
}

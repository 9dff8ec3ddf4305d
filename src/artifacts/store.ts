import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import canonicalize from 'canonicalize';
import { artifactManifestSchema, textDigest, type ArtifactManifest, type ArtifactRef } from '../contract/index.js';
import { onDisk, StoreUnavailable } from './outage.js';

const manifestName = 'manifest.json';

/** The bytes at an address are not those that the address names. Its name is an error type of the contract. */
export class CorruptArtifact extends Error {
  override readonly name = 'CorruptArtifact';
}

/** A published artifact whose every byte was checked. */
export interface OpenArtifact {
  /** the absolute folder, to be read only */
  folder: string;
  manifest: ArtifactManifest;
  /** one of its files, as UTF-8 */
  text(path: string): Promise<string>;
}

/**
 * Content-addressed folders: `<root>/sha256/<first two>/<sha256>/`, the sha256 being that of the folder's canonical
 * `manifest.json`. The runner's store has the same rules, so that both may share a root.
 *
 * Covered: an attempt killed at any point, two attempts at once, bytes changed later, a disk that is full or away. Not
 * covered: removal of artifacts that nothing refers to any more.
 */
export class ArtifactStore {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  /**
   * Publishes files under their content's address. What is there whole is left as it is; what was damaged is replaced.
   *
   * @throws StoreUnavailable where the disk is full or away
   */
  put(mediaType: string, files: Record<string, string | Uint8Array>): Promise<ArtifactRef> {
    return onDisk(this.root, () => this.#put(mediaType, files));
  }

  async #put(mediaType: string, files: Record<string, string | Uint8Array>): Promise<ArtifactRef> {
    const contents = Object.entries(files)
      .map(([path, content]) => ({ path, content: typeof content === 'string' ? Buffer.from(content) : content }))
      .sort((one, other) => (one.path < other.path ? -1 : 1));
    const manifest: ArtifactManifest = {
      mediaType,
      files: contents.map(({ path, content }) => ({
        path: safePath(path),
        sha256: createHash('sha256').update(content).digest('hex'),
        bytes: content.byteLength,
      })),
    };
    const manifestText = manifestBytes(manifest);
    const ref = refOf(manifest, manifestText);
    const found = await this.look(ref);
    if (found === 'whole') return ref;
    if (found === 'damaged') await rm(this.folderOf(ref), { recursive: true, force: true });
    await this.publish(ref, [...contents, { path: manifestName, content: Buffer.from(manifestText) }]);
    return ref;
  }

  /**
   * Resolves an address, after checking the manifest against it and each file against the manifest.
   *
   * @throws CorruptArtifact where anything is missing or differs
   * @throws StoreUnavailable where the disk cannot be read
   */
  open(ref: Pick<ArtifactRef, 'sha256'>): Promise<OpenArtifact> {
    return onDisk(this.root, () => this.#open(ref));
  }

  async #open(ref: Pick<ArtifactRef, 'sha256'>): Promise<OpenArtifact> {
    const folder = this.folderOf(ref);
    const manifest = await this.readManifest(ref, folder);
    for (const { path, sha256, bytes } of manifest.files) {
      const file = join(folder, path);
      const found = await hashFile(file);
      if (found?.sha256 !== sha256 || found.bytes !== bytes) {
        const how = found === null ? 'is missing' : `has ${found.bytes} bytes with sha256 ${found.sha256}`;
        throw new CorruptArtifact(`${file} ${how}; the manifest says ${bytes} bytes with sha256 ${sha256}`);
      }
    }
    const names = new Set(manifest.files.map(({ path }) => path));
    return {
      folder,
      manifest,
      text: async (path) => {
        if (!names.has(path)) throw new CorruptArtifact(`artifact ${ref.sha256} has no file ${path}`);
        return onDisk(this.root, () => readFile(join(folder, path), 'utf8'));
      },
    };
  }

  private async look(ref: Pick<ArtifactRef, 'sha256'>): Promise<'absent' | 'whole' | 'damaged'> {
    if (!(await isThere(this.folderOf(ref)))) return 'absent';
    return this.#open(ref).then(
      () => 'whole',
      (error: unknown) => {
        // what cannot be read now may be whole
        if (error instanceof CorruptArtifact) return 'damaged';
        throw error;
      },
    );
  }

  private folderOf({ sha256 }: Pick<ArtifactRef, 'sha256'>): string {
    return join(this.root, 'sha256', sha256.slice(0, 2), sha256);
  }

  private async readManifest({ sha256 }: Pick<ArtifactRef, 'sha256'>, folder: string): Promise<ArtifactManifest> {
    const file = join(folder, manifestName);
    const text = await readFile(file, 'utf8').catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      // a store that an artifact was put into has this folder: without it, its disk is not the one that is mounted
      if (await isThere(join(this.root, 'sha256'))) {
        throw new CorruptArtifact(`artifact ${sha256} is not in the store ${this.root}`);
      }
      throw new StoreUnavailable(`artifact ${sha256} is not in the store ${this.root}, which is empty: is it mounted?`);
    });
    if (textDigest(text) !== sha256) throw new CorruptArtifact(`${file} does not have the sha256 of its address`);
    const manifest = artifactManifestSchema.parse(JSON.parse(text));
    for (const { path } of manifest.files) safePath(path);
    return manifest;
  }

  /** Writes aside, then renames: a reader sees the whole artifact or none, whenever the writer dies. */
  private async publish(ref: ArtifactRef, files: { path: string; content: Uint8Array }[]): Promise<void> {
    const attempt = join(this.root, 'tmp', randomUUID());
    try {
      for (const { path, content } of files) {
        await mkdir(dirname(join(attempt, path)), { recursive: true });
        await writeFile(join(attempt, path), content, { flush: true });
      }
      const folder = this.folderOf(ref);
      await mkdir(dirname(folder), { recursive: true });
      await rename(attempt, folder).catch(async (error: unknown) => {
        // another attempt was faster: its content is the same
        if ((await this.look(ref)) !== 'whole') throw error;
      });
    } finally {
      await rm(attempt, { recursive: true, force: true });
    }
  }
}

/** Canonical JSON, so that equal content has an equal address in both languages. */
function manifestBytes(manifest: ArtifactManifest): string {
  const text = canonicalize(manifest);
  if (text === undefined) throw new TypeError('a manifest is a JSON value');
  return text;
}

function refOf(manifest: ArtifactManifest, manifestText: string): ArtifactRef {
  const sha256 = textDigest(manifestText);
  return {
    uri: `artifact:sha256/${sha256}`,
    sha256,
    bytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
    mediaType: manifest.mediaType,
  };
}

/** Plain ASCII paths inside the folder: every language sorts them alike, and none leads out of it. */
function safePath(path: string): string {
  const plain = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
  if (plain.test(path) && path !== manifestName) return path;
  throw new CorruptArtifact(`"${path}" cannot be the path of an artifact's file`);
}

/** null where there is no such file */
async function hashFile(file: string): Promise<{ sha256: string; bytes: number } | null> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
    return { sha256: hash.digest('hex'), bytes: (await stat(file)).size };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

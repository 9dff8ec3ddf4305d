import { z } from 'zod';
import {
  knowledgeBaseSchema,
  passageDigest,
  passageSchema,
  snapshotDigest,
  snapshotSchema,
  type KnowledgeBase,
  type KnowledgeBaseName,
  type Passage,
  type Snapshot,
} from '../contract/index.js';
import { json, maybeRow, row, rows, run, type Db } from './db.js';

const storedSchema = z.strictObject({
  tenant: z.string(),
  name: z.string(),
  /** from 1 */
  version: z.int().positive(),
  definition: knowledgeBaseSchema,
  setBy: z.string(),
  setAt: z.string(),
});
export type KnowledgeBaseVersion = z.infer<typeof storedSchema>;

const utc = (column: string): string => `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const select = `select tenant, name, version, definition, set_by as "setBy", ${utc('set_at')} as "setAt" from knowledge_bases`;

const selectSnapshot = `select k.tenant, k.name, k.number, k.snapshot_digest as "snapshotDigest",
  ${utc('k.taken_at')} as "takenAt",
  (select count(*)::int from snapshot_passages p where p.snapshot_digest = k.snapshot_digest) as passages
  from knowledge_base_snapshots k`;

/** Knowledge bases with the snapshots of what they hold. A version and a snapshot are written once. */
export class KnowledgeBases {
  constructor(private readonly db: Db) {}

  /** The version in force; null: there is no such knowledge base. */
  async latest({ tenant, name }: KnowledgeBaseName): Promise<KnowledgeBaseVersion | null> {
    return maybeRow(this.db, storedSchema, `${select} where tenant = $1 and name = $2 order by version desc limit 1`, [
      tenant,
      name,
    ]);
  }

  /** Every knowledge base in force, by name. */
  async list(): Promise<KnowledgeBaseVersion[]> {
    return rows(
      this.db,
      storedSchema,
      `select * from (select distinct on (tenant, name) * from (${select}) all_versions order by tenant, name, version desc)
       latest order by tenant, name`,
    );
  }

  /** Writes a version. The first write of it wins; returns the stored one, and whether this call wrote it. */
  async set(
    given: KnowledgeBaseName & { version: number; definition: KnowledgeBase; setBy: string },
  ): Promise<{ written: boolean; stored: KnowledgeBaseVersion }> {
    const { tenant, name, version, definition, setBy } = given;
    const written = await run(
      this.db,
      `insert into knowledge_bases (tenant, name, version, definition, set_by) values ($1, $2, $3, $4, $5)
       on conflict do nothing`,
      [tenant, name, version, json(definition), setBy],
    );
    const stored = await row(
      this.db,
      storedSchema,
      `version ${version} of the knowledge base ${tenant}/${name}`,
      `${select} where tenant = $1 and name = $2 and version = $3`,
      [tenant, name, version],
    );
    return { written: written === 1, stored };
  }

  /** Lets one transaction at a time take a snapshot of a knowledge base. */
  async lock({ tenant, name }: KnowledgeBaseName): Promise<void> {
    await run(this.db, `select pg_advisory_xact_lock(hashtextextended($1, 1))`, [`${tenant}/${name}`]);
  }

  /** The latest snapshot; null: none was taken. */
  async latestSnapshot({ tenant, name }: KnowledgeBaseName): Promise<Snapshot | null> {
    return maybeRow(
      this.db,
      snapshotSchema,
      `${selectSnapshot} where k.tenant = $1 and k.name = $2 order by k.number desc limit 1`,
      [tenant, name],
    );
  }

  /** One snapshot by its number; null: there is none. */
  async snapshot({ tenant, name }: KnowledgeBaseName, number: number): Promise<Snapshot | null> {
    return maybeRow(
      this.db,
      snapshotSchema,
      `${selectSnapshot} where k.tenant = $1 and k.name = $2 and k.number = $3`,
      [tenant, name, number],
    );
  }

  /** Every snapshot of a knowledge base, the newest first. */
  async snapshots({ tenant, name }: KnowledgeBaseName): Promise<Snapshot[]> {
    return rows(
      this.db,
      snapshotSchema,
      `${selectSnapshot} where k.tenant = $1 and k.name = $2 order by k.number desc`,
      [tenant, name],
    );
  }

  /** The passages of a snapshot in its order. */
  async passages(digest: string): Promise<Passage[]> {
    return rows(
      this.db,
      passageSchema,
      `select s.passage_id as "passageId", s.path, p.title, p.text
       from snapshot_passages s join passages p using (passage_digest)
       where s.snapshot_digest = $1 order by s.position`,
      [digest],
    );
  }

  /**
   * Keeps passages as the next snapshot of a knowledge base. Where the latest one has the same digest, it stays the latest.
   * Call it in the transaction that holds the {@link lock}.
   */
  async take(base: KnowledgeBaseName, passages: readonly Passage[]): Promise<{ taken: boolean; snapshot: Snapshot }> {
    const digest = snapshotDigest(passages);
    const latest = await this.latestSnapshot(base);
    if (latest?.snapshotDigest === digest) return { taken: false, snapshot: latest };
    await this.freeze(digest, passages);
    const number = (latest?.number ?? 0) + 1;
    await run(
      this.db,
      `insert into knowledge_base_snapshots (tenant, name, number, snapshot_digest) values ($1, $2, $3, $4)`,
      [base.tenant, base.name, number, digest],
    );
    const snapshot = await row(
      this.db,
      snapshotSchema,
      `snapshot ${number} of ${base.tenant}/${base.name}`,
      `${selectSnapshot} where k.tenant = $1 and k.name = $2 and k.number = $3`,
      [base.tenant, base.name, number],
    );
    return { taken: true, snapshot };
  }

  /** A snapshot that is there already has the same digest, hence the same passages. */
  private async freeze(digest: string, passages: readonly Passage[]): Promise<void> {
    const inserted = await run(this.db, `insert into snapshots (snapshot_digest) values ($1) on conflict do nothing`, [
      digest,
    ]);
    if (inserted === 0) return;
    const placed = passages.map((passage, position) => ({ ...passage, digest: passageDigest(passage), position }));
    // in one order for every writer, so that two of them cannot deadlock
    await run(
      this.db,
      `insert into passages (passage_digest, title, text)
       select distinct on (p.digest) p.digest, p.title, p.text
       from jsonb_to_recordset($1) as p (digest text, title text, text text)
       order by p.digest on conflict do nothing`,
      [json(placed)],
    );
    await run(
      this.db,
      `insert into snapshot_passages (snapshot_digest, passage_id, position, path, passage_digest)
       select $1, p."passageId", p.position, p.path, p.digest
       from jsonb_to_recordset($2) as p ("passageId" text, position int, path text, digest text)`,
      [digest, json(placed)],
    );
  }
}

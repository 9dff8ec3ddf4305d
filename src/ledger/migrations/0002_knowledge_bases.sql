-- Up Migration

-- What a knowledge base is made of. A version is written once; the latest is in force.
create table knowledge_bases (
  tenant text not null,
  name text not null,
  version int not null check (version >= 1),
  definition jsonb not null,
  set_by text not null,
  set_at timestamptz not null default now(),
  primary key (tenant, name, version)
);

-- Texts by their digest: snapshots of one knowledge base share what did not change.
create table passages (
  passage_digest text primary key,
  title text not null,
  text text not null
);
-- A snapshot is frozen by its digest: the same digest is the same passages for ever.
create table snapshots (
  snapshot_digest text primary key,
  created_at timestamptz not null default now()
);
create table snapshot_passages (
  snapshot_digest text not null references snapshots,
  passage_id text not null,
  position int not null,
  path text not null,
  passage_digest text not null references passages,
  primary key (snapshot_digest, passage_id)
);
-- the snapshots of a knowledge base in the order in which they were taken
create table knowledge_base_snapshots (
  tenant text not null,
  name text not null,
  number int not null check (number >= 1),
  snapshot_digest text not null references snapshots,
  taken_at timestamptz not null default now(),
  primary key (tenant, name, number)
);

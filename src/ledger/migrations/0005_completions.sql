-- Up Migration

-- What a writer wrote for one prompt, kept as it comes: a proposal of many steps that loses one asks only that one again.
create table completions (
  completion_key text primary key,
  text text not null,
  tokens int not null,
  written_at timestamptz not null default now()
);

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

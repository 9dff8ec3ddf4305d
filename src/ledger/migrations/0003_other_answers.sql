-- Up Migration

-- Reference answers beside the first: the best of all counts.
alter table items add column other_answers jsonb not null default '[]';
alter table probes add column other_answers jsonb not null default '[]';

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

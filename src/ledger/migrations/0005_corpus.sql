-- Up Migration

-- Reference answers beside the first: the best of all counts.
alter table items add column other_answers jsonb not null default '[]';
alter table probes add column other_answers jsonb not null default '[]';

-- What whoever started the round should know of its corpus, in words: what is left out of it, what it lacks.
alter table rounds add column corpus_notes jsonb not null default '[]';

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

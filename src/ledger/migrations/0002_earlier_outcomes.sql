-- Up Migration

-- Outcomes that a later run of the same round opened again. A ledger forgets nothing: what stood in `trials` stands here.
create table earlier_outcomes (
  trial_id text not null references trials,
  result jsonb not null,
  recorded_at timestamptz not null,
  reopened_at timestamptz not null default now()
);
create index earlier_outcomes_by_trial on earlier_outcomes (trial_id);

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

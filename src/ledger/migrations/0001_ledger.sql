-- Up Migration

-- A corpus is frozen by its digest: the same digest is the same sources, items and retention items for ever.
create table corpora (
  corpus_digest text primary key,
  domain text not null,
  origin text not null,
  created_at timestamptz not null default now()
);
create table sources (
  corpus_digest text not null references corpora,
  source_id text not null,
  position int not null,
  role text not null check (role in ('train', 'heldOut')),
  -- of sources, items and answers the domain alone knows what is in them
  content jsonb not null,
  primary key (corpus_digest, source_id)
);
create table items (
  corpus_digest text not null,
  source_id text not null,
  item_id text not null,
  position int not null,
  -- edits are chosen on A and reported on B
  split text not null check (split in ('A', 'B')),
  content jsonb not null,
  primary key (corpus_digest, source_id, item_id),
  foreign key (corpus_digest, source_id) references sources
);
-- canaries and the frozen set: items that belong to no source
create table retention_items (
  corpus_digest text not null references corpora,
  kind text not null check (kind in ('canary', 'frozen')),
  item_id text not null,
  position int not null,
  content jsonb not null,
  primary key (corpus_digest, kind, item_id)
);

create table rounds (
  round_id text primary key,
  tenant text not null,
  config jsonb not null,
  config_digest text not null,
  -- a campaign asks the ledger how far it is and what it learnt; null: a round by itself
  campaign text,
  campaign_round int,
  corpus_digest text references corpora,
  -- what the person who starts a round should know of its corpus: what is left out, what it lacks
  corpus_notes jsonb not null default '[]',
  model jsonb,
  old_model jsonb,
  new_model jsonb,
  -- the release that the alias pointed at when the round was prepared: what a release of this round may replace
  live_release bigint,
  status text not null default 'running' check (status in ('running', 'completed', 'failed', 'cancelled')),
  -- where the round is, or where it ended: written as it gets there, so that it can be read while no worker answers
  stage text not null default 'preparing',
  reason text not null default '',
  created_at timestamptz not null default now(),
  closed_at timestamptz
);
create index rounds_by_campaign on rounds (campaign, campaign_round);
create table round_sources (
  round_id text not null references rounds,
  source_id text not null,
  role text not null check (role in ('train', 'heldOut')),
  position int not null,
  -- of the document's passage, counted with the baseline; a recipe that cuts it off causes a warning
  passage_tokens int,
  primary key (round_id, source_id)
);
-- Rounds and shards by workflow id, each with the number of its latest run. A late attempt of an earlier run names an older
-- number, and writes nothing.
create table runs (
  workflow_id text primary key,
  -- when the run began, by Temporal's clock
  started_at_ms bigint not null,
  run int not null
);

-- What a model wrote for a source. The key is a digest over writer, source, template, sampling and seed: a retried
-- proposal, and a later round that asks the same, find it here.
create table proposals (
  proposal_key text primary key,
  edit_digest text,
  source_id text not null,
  template text not null,
  seed bigint not null,
  writer jsonb not null,
  prompts jsonb not null,
  completions jsonb not null,
  invalid_reason text,
  directives_proposed jsonb,
  directives_used jsonb,
  clamps jsonb not null default '[]',
  examples jsonb,
  tokens int,
  created_at timestamptz not null default now()
);
-- What a writer wrote for one prompt, stored as it comes: a proposal of several steps that loses one asks only that one again.
create table completions (
  completion_key text primary key,
  text text not null,
  tokens int not null,
  written_at timestamptz not null default now()
);

create table trials (
  trial_id text primary key,
  round_id text not null references rounds,
  purpose text not null,
  position int not null,
  -- null: decided at planning, never run
  shard int,
  -- the run of its shard that may record its outcome; 0: its shard has not begun
  run int not null default 0,
  source_id text not null,
  spec jsonb not null,
  proposal_key text references proposals,
  training jsonb,
  screen jsonb,
  -- set once, by recordOutcome
  outcome text,
  reason text,
  edit_digest text,
  training_key text,
  -- the learner with the trial's adapter on top: answers after training are stored under it
  model_digest text,
  device_seconds double precision,
  result jsonb,
  recorded_at timestamptz,
  unique (round_id, purpose, position)
);
create index trials_by_edit on trials (edit_digest);
create index trials_by_source on trials (round_id, source_id);
-- what cost the device nothing is found by its training
create index trials_by_training on trials (training_key);
-- Outcomes that a later run of the same round opened again: a ledger forgets nothing.
create table earlier_outcomes (
  trial_id text not null references trials,
  result jsonb not null,
  recorded_at timestamptz not null,
  reopened_at timestamptz not null default now()
);
create index earlier_outcomes_by_trial on earlier_outcomes (trial_id);

-- Every answer ever asked for, before training and after: a baseline is the same row for every trial.
create table answers (
  model_digest text not null,
  item_digest text not null,
  arm text not null,
  grader text not null,
  item_id text not null,
  source_id text,
  item jsonb not null,
  -- null where the domain could read none
  answer jsonb,
  -- numbers by the names of the domain's components
  scores jsonb not null,
  created_at timestamptz not null default now(),
  primary key (model_digest, item_digest, arm, grader)
);

create table selections (
  round_id text primary key references rounds,
  selection_digest text not null,
  rule text not null,
  selection jsonb not null,
  created_at timestamptz not null default now()
);
-- asked for by buildPolicyTraining; training and model follow when it is trained
create table policies (
  round_id text primary key references rounds,
  pairs int not null,
  request jsonb not null,
  training jsonb,
  model jsonb,
  created_at timestamptz not null default now()
);
create table reports (
  round_id text primary key references rounds,
  release_digest text not null,
  summary jsonb not null,
  created_at timestamptz not null default now()
);

-- What a tenant demands of its gates, by version: the latest is in force, and a gate keeps what it was opened with in its spec.
create table tenant_policies (
  tenant text not null,
  version int not null check (version > 0),
  policy jsonb not null,
  set_by text not null,
  set_at timestamptz not null default now(),
  primary key (tenant, version)
);
-- A gate may be asked more than once: a round that ended at its gate is run again. Each asking is an instance, and decisions
-- belong to one; an instance that was approved or rejected is the last.
create table gates (
  gate_id text not null,
  instance int not null default 1 check (instance > 0),
  -- the run of the gate's workflow that asked
  run_id text not null,
  round_id text not null references rounds,
  spec jsonb not null,
  digest text not null,
  outcome text check (outcome in ('approved', 'rejected', 'hold')),
  result jsonb,
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  primary key (gate_id, instance)
);
create index gates_by_round on gates (round_id);
create unique index gates_by_run on gates (gate_id, run_id);
create unique index gates_open on gates (gate_id) where outcome is null;
create unique index gates_decided on gates (gate_id) where outcome in ('approved', 'rejected');
create table decisions (
  gate_id text not null,
  instance int not null,
  key text not null,
  decision jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (gate_id, instance, key),
  foreign key (gate_id, instance) references gates
);

create table releases (
  release_id bigint generated always as identity primary key,
  alias text not null,
  round_id text not null references rounds,
  gate_id text not null,
  gate_instance int not null,
  digest text not null,
  model jsonb not null,
  released_at timestamptz not null default now(),
  unique (alias, round_id),
  foreign key (gate_id, gate_instance) references gates
);
create table aliases (
  alias text primary key,
  release_id bigint not null references releases,
  changed_at timestamptz not null default now()
);
alter table rounds add foreign key (live_release) references releases;

-- The desired state of the model servers: who wants which adapter, since when and until when.
create table served_adapters (
  -- by the task queue of the workers that ask it
  server text not null,
  adapter text not null,
  holder text not null,
  wanted_since timestamptz not null default now(),
  -- 'infinity': until it is dropped
  wanted_until timestamptz not null,
  -- whether this holder loaded it: what no holder loaded is not unloaded
  loaded boolean not null,
  primary key (server, adapter, holder)
);

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

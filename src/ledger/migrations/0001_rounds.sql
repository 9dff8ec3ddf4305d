-- Up Migration

-- A corpus is frozen by its digest: the same digest is the same sources, items and probes for ever.
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
  part text not null check (part in ('train', 'heldOut')),
  title text not null,
  body text not null,
  primary key (corpus_digest, source_id)
);
create table items (
  corpus_digest text not null,
  source_id text not null,
  item_id text not null,
  position int not null,
  part text not null check (part in ('A', 'B')),
  question text not null,
  answer text not null,
  primary key (corpus_digest, source_id, item_id),
  foreign key (corpus_digest, source_id) references sources
);
-- canaries and the frozen set: questions that belong to no source
create table probes (
  corpus_digest text not null references corpora,
  kind text not null check (kind in ('canary', 'frozen')),
  item_id text not null,
  position int not null,
  question text not null,
  answer text not null,
  primary key (corpus_digest, kind, item_id)
);

create table rounds (
  round_id text primary key,
  tenant text not null,
  config jsonb not null,
  config_digest text not null,
  corpus_digest text references corpora,
  model jsonb,
  old_model jsonb,
  new_model jsonb,
  -- the release that the alias pointed at when the round was prepared: what a release of this round may replace
  live_release bigint,
  status text not null default 'running' check (status in ('running', 'completed', 'failed', 'cancelled')),
  reason text not null default '',
  created_at timestamptz not null default now(),
  closed_at timestamptz
);
create table round_sources (
  round_id text not null references rounds,
  source_id text not null,
  role text not null check (role in ('train', 'heldOut')),
  position int not null,
  primary key (round_id, source_id)
);

-- What a model wrote for a source. The key is a digest over writer, source text, template, sampling and seed: a retried
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

create table trials (
  trial_id text primary key,
  round_id text not null references rounds,
  phase text not null,
  position int not null,
  -- null: decided at planning, never run
  shard int,
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
  -- the learner with the trial's adapter on top: answers after training are kept under it
  model_digest text,
  device_seconds double precision,
  result jsonb,
  recorded_at timestamptz,
  unique (round_id, phase, position)
);
create index trials_by_edit on trials (edit_digest);
create index trials_by_source on trials (round_id, source_id);

-- Every answer ever asked for at temperature 0, before training and after: a baseline is the same row for every trial.
create table answers (
  model_digest text not null,
  item_digest text not null,
  arm text not null,
  grader text not null,
  item_id text not null,
  source_id text,
  question text not null,
  answer text not null,
  match boolean not null,
  exact_match boolean not null,
  f1 double precision not null,
  log_likelihood double precision,
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

create table gates (
  gate_id text primary key,
  round_id text not null references rounds,
  spec jsonb not null,
  digest text not null,
  outcome text check (outcome in ('approved', 'rejected', 'hold')),
  result jsonb,
  opened_at timestamptz not null default now(),
  closed_at timestamptz
);
create table decisions (
  gate_id text not null references gates,
  key text not null,
  decision jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (gate_id, key)
);

create table releases (
  release_id bigint generated always as identity primary key,
  alias text not null,
  round_id text not null references rounds,
  gate_id text not null references gates,
  digest text not null,
  model jsonb not null,
  released_at timestamptz not null default now(),
  unique (alias, round_id)
);
create table aliases (
  alias text primary key,
  release_id bigint not null references releases,
  changed_at timestamptz not null default now()
);
alter table rounds add foreign key (live_release) references releases;

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

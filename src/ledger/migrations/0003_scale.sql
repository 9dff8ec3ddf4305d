-- Up Migration

-- Rounds and shards by workflow id, each with the number of its latest run. What an earlier run's late attempt wants written
-- names an older number and is not written.
create table runs (
  workflow_id text primary key,
  -- when the run began, by Temporal's clock
  started_at_ms bigint not null,
  run int not null
);
-- the run of its shard that may record its outcome; 0: its shard has not begun
alter table trials add column run int not null default 0;

-- of the document's passage, counted with the baseline; what a recipe cuts off is warned of
alter table round_sources add column passage_tokens int;

-- what a server may unload is found by the name of what it serves
create index trials_by_served on trials (left(result #>> '{adapter,served,sha256}', 24));
-- what cost the device nothing is found by its training
create index trials_by_training on trials (training_key);
update trials set result = result || '{"reused": false}' where result is not null;
update earlier_outcomes set result = result || '{"reused": false}';
update reports set summary = summary
  || '{"canaries": {"asked": 0, "rightBefore": 0, "rightAfter": null, "lost": null}, "warnings": []}';

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

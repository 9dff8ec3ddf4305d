-- Up Migration

-- A gate may be asked more than once: a round that ended at its gate is run again. Each asking is an instance of its own,
-- and decisions belong to one; an instance that was approved or rejected is the last.
alter table releases drop constraint releases_gate_id_fkey;
alter table decisions drop constraint decisions_gate_id_fkey;
alter table decisions drop constraint decisions_pkey;
alter table gates drop constraint gates_pkey;

alter table gates add column instance int not null default 1 check (instance > 0);
-- the run of the gate's workflow that asked; null: before gates had instances
alter table gates add column run_id text;
alter table gates add primary key (gate_id, instance);
create unique index gates_by_run on gates (gate_id, run_id);
create unique index gates_open on gates (gate_id) where outcome is null;
create unique index gates_decided on gates (gate_id) where outcome in ('approved', 'rejected');

alter table decisions add column instance int not null default 1;
alter table decisions add primary key (gate_id, instance, key);
alter table decisions add foreign key (gate_id, instance) references gates;

alter table releases add column gate_instance int not null default 1;
alter table releases add foreign key (gate_id, gate_instance) references gates;

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

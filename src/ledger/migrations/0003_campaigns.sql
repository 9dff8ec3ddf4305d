-- Up Migration

-- A round knows its campaign, so that a campaign asks the ledger where it stands and what it learnt, whatever its length.
alter table rounds add column campaign text;
alter table rounds add column campaign_round int;
update rounds
set campaign = regexp_replace(round_id, '\.r[0-9]{4,9}$', ''),
    campaign_round = substring(round_id from '\.r([0-9]{4,9})$')::int
where round_id ~ '^.+\.r[0-9]{4,9}$';
create index rounds_by_campaign on rounds (campaign, campaign_round);

-- An alias holds the model: a policy of one model never replaces another's. What was released under the name without
-- one goes on under its model's, and each model's last release is the live one.
update releases set alias = regexp_replace(alias, '/policy$', '/' || (model ->> 'base') || '/policy')
where alias ~ '^[^/]+/policy$';
insert into aliases (alias, release_id)
select alias, max(release_id) from releases group by alias
on conflict (alias) do nothing;
delete from aliases where alias ~ '^[^/]+/policy$';

-- Down Migration
-- None: a ledger is not unwritten. Restore a backup instead.

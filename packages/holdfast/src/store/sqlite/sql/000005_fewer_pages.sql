-- A commit writes every page that it touches whole: what changes together lies together, so that a change that no run plans touches 18 pages instead of 31.

-- The chain of an environment's events moves with its seq.
alter table envs add column compacted_to integer not null default 0;
alter table envs add column base_seq integer not null default 0;
alter table envs add column base_hash text not null default '';
alter table envs add column chain_seq integer not null default 0;
alter table envs add column chain_hash text not null default '';
update envs set compacted_to = c.compacted_to, base_seq = c.base_seq, base_hash = c.base_hash, chain_seq = c.seq, chain_hash = c.hash from chains c where c.env = envs.k;
drop table chains;

-- The counter of fences and places moves with the leases: the row whose scope is empty, and no lease.
insert into leases (scope, fence, mode, holder, granted_at, expires_at) select '', fence_seq, '', '{}', 0, 0 from store_meta;
alter table store_meta drop column fence_seq;

-- A change that no run plans is a run of one task: both are told in the row of its transaction, which is written in the same commits. Its run is called as
-- its token is (r-X, t-X), so it needs no word. k < 0: - environment * 2^34 + running number (store/sqlite/lone-rows.ts).
alter table txs add column run text;
alter table txs add column task text;

-- What an open run has written is found by `since`; a row that was put by the commit of its own revision never belongs to an open run.
alter table resources add column alone integer;
drop index resources_since;
create index resources_since on resources (env, since) where alone is null;

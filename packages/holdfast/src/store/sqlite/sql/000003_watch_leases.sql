-- Events can be watched from any commit, and a change of what was written about the past is found; leases have levels and modes, and whoever waits has a place.

-- One row for each environment. `hash` covers every event after `base_seq`, up to commit `seq`: each commit that has events hashes them together with
-- the hash before it. Events of commits up to `compacted_to` were taken away; then `base_hash` is the hash that the chain had there.
create table chains (
  env          integer primary key references envs (k),
  compacted_to integer not null,
  base_seq     integer not null,
  base_hash    text not null,
  seq          integer not null,
  hash         text not null
) strict;
insert into chains (env, compacted_to, base_seq, base_hash, seq, hash) select k, 0, seq, '', seq, '' from envs;

-- Several may hold one scope when their modes go together. Intentions on the scopes around it are not rows: they follow from the name (store/grant.ts).
create table leases_next (
  scope      text not null,
  fence      integer not null,
  mode       text not null,
  holder     text not null,
  granted_at integer not null,
  expires_at integer not null,
  primary key (scope, fence)
) strict, without rowid;
insert into leases_next (scope, fence, mode, holder, granted_at, expires_at) select scope, fence, 'X', holder, granted_at, expires_at from leases;
drop table leases;
alter table leases_next rename to leases;

-- Places in the queue. Ids come from the same counter as fences, so they only grow.
create table tickets (
  id         integer primary key,
  scope      text not null,
  mode       text not null,
  holder     text not null,
  asked_at   integer not null,
  expires_at integer not null
) strict;

-- What a row says, summed up (32 bits) when it was written (store/sqlite/sum.ts): SQLite does not notice when a byte inside a value has changed. Null: not summed.
alter table docs add column sum integer;
alter table resources add column sum integer;
alter table outputs add column sum integer;

-- What the founding contract 1 keeps beside the resources themselves, and indexes for its look-ups.

-- A resource is found by its name and by its hash without a walk over its environment. Hashes are in no order, so every page of their index is
-- written again and again: their last characters tell them apart well enough, and are a quarter of it (bench: 3.1 KB for each resource became 1.5).
create index resources_address on resources (env, address);
create index resources_fingerprint on resources (env, substr(fingerprint, -8));

-- Of every row that has tags, its history included.
create table tags (
  env   integer not null references envs (k),
  uid   text not null,
  since integer not null,
  key   text not null,
  value text not null,
  primary key (env, uid, since, key)
) strict, without rowid;
create index tags_of on tags (env, key, value);
insert into tags (env, uid, since, key, value)
  select r.env, r.uid, r.since, t.key, t.value from resources r, json_each(r.meta, '$.tags') t where json_extract(r.meta, '$.tags') is not null;

create table components (
  uid      text primary key,
  env      integer not null references envs (k),
  name     text not null,
  seed     text not null,
  declared integer not null,
  exports  text,
  unique (env, name)
) strict;

-- `component` is the uid of the one that refers. The store refuses to open a deletion of what a row names (fold.ts, apply.ts).
create table refs (
  env        integer not null references envs (k),
  component  text not null,
  target_uid text not null,
  target_env integer not null references envs (k),
  address    text not null,
  type       text not null,
  primary key (env, component, target_uid)
) strict, without rowid;
create index refs_target on refs (target_uid);
create index refs_into on refs (target_env);

create table resolved (
  uid text primary key,
  env integer not null references envs (k),
  doc text not null
) strict, without rowid;

-- Answers to requests that may come again; the oldest go first.
create table requests (
  k      integer primary key,
  scope  text not null,
  id     text not null,
  method text not null,
  digest text not null,
  result text not null,
  at     integer not null,
  unique (scope, id)
) strict;

// Written by scripts/embed-sql.mjs from sql/*.sql: edit those.

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

/** In order; the version of a file is the number of those it has seen. */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    name: "000001_start.sql",
    sql: `-- The truth about every resource, and the journal of how it came to be.
--
-- Keys are chosen so that what one run writes lands on neighbouring pages: what is only ever added has a running number and is appended,
-- ids sort by the time they were made, documents lie apart from the rows that name them (a scan never reads them, a status change never
-- rewrites them), and there is no index that only a person's rare question would use. Inside the file, environments are named by a small
-- number, and so are texts that stand in many rows (\`words\`).

create table store_meta (
  one        integer primary key check (one = 1),
  store_id   text not null,
  created_at integer not null,
  fence_seq  integer not null,
  key_check  text
) strict;

create table envs (
  k        integer primary key,
  id       text not null unique,
  app      text not null,
  name     text not null,
  revision integer not null,
  partial  integer not null,
  seq      integer not null,
  open_run text,
  unique (app, name)
) strict;

create table runs (
  id         text primary key,
  env        integer not null references envs (k),
  kind       text not null,
  plan       text not null,
  status     text not null,
  phase      text not null,
  from_rev   integer not null,
  to_rev     integer,
  holder     text not null,
  started_at integer not null,
  ended_at   integer,
  result     text
) strict;
create index runs_of on runs (env, started_at);

create table plans (
  id         text primary key,
  env        integer not null references envs (k),
  created_at integer not null,
  revision   integer not null,
  seq        integer not null,
  used_by    text,
  doc        text not null
) strict;
create index plans_of on plans (env, created_at);

create table words (
  k    integer primary key,
  text text not null unique
) strict;

-- Documents of a resource row (\`inputs\`, \`outputs\`), or what a transaction says once: the inputs of its target, and as \`outputs\` a JSON list of
-- two lists, what never changes and is never searched for (type, op, task, address, undo, ordinal, payloadDigest, fence, openedAt), and the rest
-- of its target. A change of status rewrites none of it. \`same\`: the inputs are those of that target, which is never changed again.
create table docs (
  id      integer primary key,
  inputs  text,
  outputs text not null,
  same    integer,
  check ((inputs is null) <> (same is null))
) strict;

-- \`shape\` is empty when it equals \`fingerprint\`, \`meta\` leaves out what is empty. \`since\`, \`until\`: first revision that shows the row, first that no longer does.
create table resources (
  k           integer primary key,
  env         integer not null references envs (k),
  uid         text not null,
  since       integer not null,
  until       integer,
  seq         integer not null,
  doc         integer not null,
  ordinal     integer not null,
  status      text not null,
  address     text not null,
  type        text not null,
  fingerprint text not null,
  shape       text not null,
  meta        text not null
) strict;
create unique index resources_key on resources (env, uid, since);
create index resources_since on resources (env, since);
create index resources_until on resources (env, until) where until is not null;

create table claims (
  key   text primary key,
  env   integer not null references envs (k),
  uid   text not null,
  until integer
) strict, without rowid;
create index claims_uid on claims (uid);
create index claims_leaving on claims (env, until) where until is not null;

-- k = run * 2^28 + running number in the run: a run's transactions and tasks are found by range, without an index.
create table txs (
  k             integer primary key,
  token         text not null unique,
  env           integer not null references envs (k),
  uid           text not null,
  target        integer not null,
  capability    integer not null references words (k),
  status        text not null,
  applied       text,
  epoch         integer not null,
  attempts      integer not null,
  first_sent_at integer,
  last_sent_at  integer,
  ended_at      integer,
  evidence      text
) strict;
-- One unresolved change per object, whoever writes.
create unique index txs_unresolved on txs (uid) where status = 'open' or status = 'sent' or status = 'unknown' or (status = 'failed' and applied = 'partly');

-- A journal: every put of a task is a row, the last one counts. Ids of tasks follow addresses, so rows keyed by them would touch a page each;
-- these are appended, and a change costs the same bytes in an estate of any shape. k as in txs; \`doc\` is a JSON list (address or where it
-- begins in the id, kind, state, intention, attempt, tx, failure, startedAt, endedAt, note).
create table tasks (
  k   integer primary key,
  id  text not null,
  doc text not null
) strict;

create table outputs (
  env   integer not null references envs (k),
  since integer not null,
  doc   text not null,
  primary key (env, since)
) strict;

create table secrets (
  env    integer not null references envs (k),
  name   text not null,
  fp     text not null,
  sealed text not null,
  at     integer not null,
  primary key (env, name)
) strict;

create table trash (
  id      text primary key,
  env     integer not null references envs (k),
  address text not null,
  type    text not null,
  at      integer not null,
  doc     text not null
) strict;

-- k = environment * 2^40 + running number; never deleted in the middle, so a seq is found by halving.
create table events (
  k    integer primary key,
  seq  integer not null,
  n    integer not null,
  at   integer not null,
  kind text not null,
  data text not null
) strict;

create table leases (
  scope      text primary key,
  holder     text not null,
  fence      integer not null,
  granted_at integer not null,
  expires_at integer not null
) strict, without rowid;
`,
  },
  {
    version: 2,
    name: "000002_backend.sql",
    sql: `-- What the founding contract 1 keeps beside the resources themselves, and indexes for its look-ups.

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
  select r.env, r.uid, r.since, t.key, t.value from resources r, json_each(r.meta, '\$.tags') t where json_extract(r.meta, '\$.tags') is not null;

create table components (
  uid      text primary key,
  env      integer not null references envs (k),
  name     text not null,
  seed     text not null,
  declared integer not null,
  exports  text,
  unique (env, name)
) strict;

-- \`component\` is the uid of the one that refers. The store refuses to open a deletion of what a row names (fold.ts, apply.ts).
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
`,
  },
  {
    version: 3,
    name: "000003_watch_leases.sql",
    sql: `-- Events can be watched from any commit, and a change of what was written about the past is found; leases have levels and modes, and whoever waits has a place.

-- One row for each environment. \`hash\` covers every event after \`base_seq\`, up to commit \`seq\`: each commit that has events hashes them together with
-- the hash before it. Events of commits up to \`compacted_to\` were taken away; then \`base_hash\` is the hash that the chain had there.
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
`,
  },
  {
    version: 4,
    name: "000004_approval.sql",
    sql: `-- Who made a plan, and who approved it: JSON { by, at, own, digest, mac }. Null: nobody. A plan that is put again loses its approval.
alter table plans add column made_by text;
alter table plans add column approval text;
`,
  },
  {
    version: 5,
    name: "000005_fewer_pages.sql",
    sql: `-- A commit writes every page that it touches whole: what changes together lies together, so that a change that no run plans touches 18 pages instead of 31.

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

-- What an open run has written is found by \`since\`; a row that was put by the commit of its own revision never belongs to an open run.
alter table resources add column alone integer;
drop index resources_since;
create index resources_since on resources (env, since) where alone is null;
`,
  },
  {
    version: 6,
    name: "000006_parts.sql",
    sql: `-- Runs that hold a part of the environment each, as a JSON list of { tag, run, scopes }. Null: none. Rows of such a run have its tag as \`since\` and \`until\`.
alter table envs add column parts text;
`,
  },
]

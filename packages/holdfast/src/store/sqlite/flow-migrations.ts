// Written by scripts/embed-sql.mjs from flow-sql/*.sql: edit those.

import type { Migration } from './migrations.ts'

/** In order; the version of a file is the number of those it has seen. */
export const flowMigrations: readonly Migration[] = [
  {
    version: 1,
    name: "000001_flows.sql",
    sql: `-- Flows, their tasks, and the calls that wait for a worker: the journal of the public workflow engine.
--
-- Tasks are keyed by the order in which they first began, so that a step of a flow writes beside the last one. A flow is claimed by its holder;
-- \`fence\` grows with every claim, and whoever writes for a flow names the fence it was given.

create table flows (
  k          integer primary key,
  id         text not null unique,
  name       text not null,
  state      text not null,
  structure  text not null,   -- deflated, base64: one line for each thing that must not change while the flow is unfinished
  store      text,            -- canonical JSON: the values given from outside
  factory    text,            -- JSON: how a worker builds the flow
  rejected   text,            -- why no worker tries it again
  holder     text,
  fence      integer not null,
  expires_at integer,
  created_at integer not null,
  ended_at   integer
) strict;

-- \`id\` is the number of the flow times 2^22, plus the order of the task: one table in the order of writing, without an index.
-- kind, state and intention are places in the lists of store/sqlite/flow-journal.ts.
create table flow_tasks (
  id           integer primary key,
  name         text not null,
  kind         integer not null,
  state        integer not null,
  intention    integer not null,
  attempt      integer not null,
  epoch        integer not null, -- attempts that share one key
  result       text,             -- canonical JSON
  failure      text,             -- JSON
  undo_result  text,
  undo_failure text,
  history      text,             -- of a retry controller: what it gave, and what failed with it
  wake_at      integer,
  progress     text
) strict;

-- A call of a task that runs elsewhere. \`fence\` grows when it is handed to another worker: an answer of an earlier one is not taken.
create table flow_calls (
  id         text primary key,
  flow       text not null,
  task       text not null,
  type       text not null,
  action     text not null,
  doc        text not null,     -- canonical JSON: inputs, key, outcome
  state      text not null,     -- WAITING, RUNNING, SUCCESS, FAILURE
  worker     text,
  fence      integer not null,
  attempt    integer not null,
  expires_at integer,
  answer     text,
  created_at integer not null
) strict, without rowid;
create index flow_calls_waiting on flow_calls (type, created_at) where state = 'WAITING';
`,
  },
  {
    version: 2,
    name: "000002_forget.sql",
    sql: `-- Flows that have ended can be forgotten. Fences never restart: what is made anew begins above every fence that was ever handed out under a name that
-- is gone, so that whoever still believes to hold it can write nothing. \`born\` keeps where a flow began, and its keys with it: a flow that was forgotten
-- and made again under the same id is another one, to the world outside, too.

alter table flows add column born integer not null default 0;
-- What the worker last said of a call that it carries out: canonical JSON.
alter table flow_calls add column progress text;

create table flow_fences (
  one  integer primary key check (one = 1),
  next integer not null
) strict;
insert into flow_fences (one, next) values (1, 0);
`,
  },
]

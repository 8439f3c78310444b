-- Flows that have ended can be forgotten. Fences never restart: what is made anew begins above every fence that was ever handed out under a name that
-- is gone, so that whoever still believes to hold it can write nothing. `born` keeps where a flow began, and its keys with it: a flow that was forgotten
-- and made again under the same id is another one, to the world outside, too.

alter table flows add column born integer not null default 0;
-- What the worker last said of a call that it carries out: canonical JSON.
alter table flow_calls add column progress text;

create table flow_fences (
  one  integer primary key check (one = 1),
  next integer not null
) strict;
insert into flow_fences (one, next) values (1, 0);

-- Runs that hold a part of the environment each, as a JSON list of { tag, run, scopes }. Null: none. Rows of such a run have its tag as `since` and `until`.
alter table envs add column parts text;

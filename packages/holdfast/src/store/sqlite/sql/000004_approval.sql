-- Who made a plan, and who approved it: JSON { by, at, own, digest, mac }. Null: nobody. A plan that is put again loses its approval.
alter table plans add column made_by text;
alter table plans add column approval text;

-- The last delivery of each person and system says what the system knows: it is looked at once when its time is over, and kept until a later one's is.
alter table push_delivery add column kept boolean not null default false;
create index push_delivery_past on push_delivery (ended_at) where state in ('delivered', 'dropped') and not kept;

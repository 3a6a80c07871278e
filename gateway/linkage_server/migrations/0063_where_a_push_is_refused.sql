-- Which item of a person, and which character of it, the channel of a push could not carry.
alter table push_delivery add column refused_at text;

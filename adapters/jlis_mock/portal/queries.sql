-- name: citizen
-- The citizen's counter, given at the first sign-in; gaps in it are harmless.
insert into citizen (holder) values ($1) on conflict (holder) do update set holder = excluded.holder returning counter

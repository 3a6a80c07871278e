-- A secret that was ended is not made again by the call that had made it: tokens that were got by it would be good again.
create table oauth_ended_secret (
    client_id text not null references oauth_client (client_id),
    secret_id text not null,
    primary key (client_id, secret_id)
);

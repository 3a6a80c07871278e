-- Records that wait for the first full transfer are found without reading all others: at a start without `on_command` they are due.
create index original_awaiting_first on original (record_id) where transfer = 'awaiting_first';

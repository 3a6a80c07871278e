-- Every change of a bar, in the log's order: what stands in `bar` is held against it whenever it is read (docs/adr/0124).
create index log_entry_bars on log_entry (year, idx) where kind = 'bars.changed';

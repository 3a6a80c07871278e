-- A schema that was just made holds no row, so that a backup can be restored into it: no epoch is epoch 0, until the first bar.
delete from bar_epoch;

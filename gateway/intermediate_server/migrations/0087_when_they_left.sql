-- Whoever had left before a restore was marked so by it without a day, so that their relations never went: they are kept from now on.
update staff_member set left_at = now() where state = 'left' and left_at is null;

"""Backup keys of an agency: each opens what was sealed to it, under its own passphrase, and is found by the name of its public half (SC-15)."""

from __future__ import annotations

import pytest

from gateway import backup_keys
from gateway.data_folder import DataFolder
from gateway.staff_cards import CardFileError
from keys.sealing import key_hash

AGENCY = "setagaya"


def test_each_backup_key_is_found_by_its_public_half_and_opened_by_its_own_passphrase(tmp_path):
    data = DataFolder(tmp_path)
    public = {n: backup_keys.make(data, AGENCY, n, f"passphrase-{n}", profile="cheapest") for n in (1, 2, 10)}
    assert backup_keys.newest(data, AGENCY) == (10, public[10])
    for number, half in public.items():
        assert backup_keys.number_of(data, AGENCY, key_hash(half).hex()) == number
        assert backup_keys.is_known(data, AGENCY, half)
        assert backup_keys.open_private(data, AGENCY, number, f"passphrase-{number}")
    assert not backup_keys.is_known(data, AGENCY, b"another")
    with pytest.raises(CardFileError):
        backup_keys.open_private(data, AGENCY, 2, "passphrase-1")
    data.backup_key(AGENCY, 1).write_bytes(data.backup_key(AGENCY, 2).read_bytes())
    assert backup_keys.open_private(data, AGENCY, 1, "passphrase-2")  # the file's name says nothing: its seal does

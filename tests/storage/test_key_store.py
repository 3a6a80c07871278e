"""One key file under two processes: neither undoes what the other did."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from keys.masked import Secret
from storage.key_store import KeyStore, KeyStoreError
from transport.renewal import Renewal

PASSPHRASE = Secret(b"for tests only")


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "asahi.json"
    KeyStore.create(path, PASSPHRASE, profile="cheapest", purposes=["signing"])
    return KeyStore.open(path, PASSPHRASE), KeyStore.open(path, PASSPHRASE)


def test_the_key_of_an_hour_and_a_rotation_are_both_kept(two):
    role, operator = two
    sealed = role.ensure("result/2026-11-29T04").encrypt("result/2026-11-29T04", b"answer", b"")
    with operator.changing() as ring:
        assert ring.rotate("signing") == 2
    role.ensure("result/2026-11-29T05")
    assert operator.look()
    for store in two:
        assert store.ring.primary("signing") == 2
        assert store.ring.has("result/2026-11-29T05")
        assert store.ring.decrypt("result/2026-11-29T04", sealed, b"") == b"answer"


def test_a_look_takes_a_change_in_place_once(two):
    role, operator = two
    ring = role.ring
    before = ring.signer("signing").public_key
    with operator.changing() as changed:
        changed.rotate("signing")
    assert role.look()
    assert not role.look()
    assert ring.signer("signing").public_key not in {before, None}


def counted() -> dict[str, float]:
    events = ("created", "rotated", "destroyed")
    return {one: REGISTRY.get_sample_value("sekisho_key_events_total", {"event": one}) or 0 for one in events}


async def test_a_role_counts_the_key_events_that_it_takes(two):
    role, operator = two
    renewal = Renewal(register=None)  # type: ignore[arg-type] # nothing but rings is looked at here
    renewal.of_keys(role)
    before = counted()
    with operator.changing() as ring:
        ring.rotate("signing")
        ring.rotate("signing")
        ring.create("result/2026-11-29T04")
        ring.destroy("signing", 1)
    renewal.look_at_keys()
    renewal.look_at_keys()
    after = counted()
    assert {one: after[one] - before[one] for one in after} == {"created": 1, "rotated": 2, "destroyed": 1}


def test_a_change_that_fails_leaves_ring_and_file_as_they_were(two):
    role, operator = two

    def failing() -> None:
        with operator.changing() as ring:
            ring.rotate("signing")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert operator.ring.primary("signing") == 1
    assert not role.look()


def test_a_key_that_cannot_be_kept_is_no_key_and_said_to_be_none(two, tmp_path):
    """As on a full disk: nothing is sealed under what a restart would not have, and whoever asks is told to come again."""
    role, _ = two
    in_the_way = tmp_path / ".asahi.json.part"
    in_the_way.mkdir()
    with pytest.raises(KeyStoreError, match="cannot be written"):
        role.ensure("result/2026-11-29T04")
    assert not role.ring.has("result/2026-11-29T04")
    in_the_way.rmdir()
    assert role.ensure("result/2026-11-29T04").has("result/2026-11-29T04")


def test_a_file_under_another_passphrase_or_a_damaged_one_is_not_taken(two, tmp_path):
    role, _ = two
    path, other = tmp_path / "asahi.json", tmp_path / "other.json"
    KeyStore.create(other, Secret(b"another"), profile="cheapest", purposes=["signing"])
    other.replace(path)
    with pytest.raises(KeyStoreError):
        role.look()
    path.write_bytes(b"{}")
    with pytest.raises(KeyStoreError):
        role.look()
    assert role.ring.primary("signing") == 1

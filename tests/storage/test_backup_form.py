"""The form of a backup (SC-15): every change is found, only the key's holder reads it, only the log's key makes it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.masked import Secret
from keys.ring import Keyring
from keys.sealing import new_one_time_key
from keys.signing import Signer, generate_seed
from keys.windows import PublicKeys
from storage.backups.form import BackedUp, BackupBrokenError, Checked, Writer, read, read_head
from storage.erasure_journal import ErasureJournal
from storage.key_store import KeyStore

PAIR, LOG = new_one_time_key(), Signer(generate_seed())
ID = "B" + "0" * 26
NOW = datetime(2022, 10, 3, 1, tzinfo=UTC)


def made(tables, signer=LOG, public=PAIR.public) -> bytes:
    writer = Writer(
        public,
        backup_id=ID,
        agency="setagaya",
        database=BackedUp.LINKAGE,
        made_at="2022-10-03T01:00:00.000Z",
        signer=signer,
    )
    parts = [writer.head]
    for name, blocks in tables:
        parts.append(writer.begin(name, ["a", "b"]))
        parts += [writer.rows(block) for block in blocks]
        parts.append(writer.end(len(blocks)))
    return b"".join([*parts, writer.close()])


def frames(data: bytes) -> list[bytes]:
    file = io.BytesIO(data)
    found = [file.readline()]
    while length := file.read(4):
        found.append(length + file.read(int.from_bytes(length, "big")))
    return found


def rows(data: bytes, private=PAIR.private, key=LOG.public_key) -> bytes:
    return b"".join(
        part for part in read(io.BytesIO(data), private, PublicKeys.of(key), Checked()) if isinstance(part, bytes)
    )


TABLES = [("one", [b"1\t2\n", b"3\t4\n"]), ("two", [b"5\t6\n"])]
DATA = made(TABLES)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.lists(st.binary(min_size=1, max_size=60), max_size=4)),
        max_size=4,
    )
)
@settings(max_examples=40, deadline=None)
def test_what_was_written_is_read(tables):
    assert rows(made(tables)) == b"".join(block for _, blocks in tables for block in blocks)


@pytest.mark.parametrize("place", [0, 60, len(frames(DATA)[0]) + 2, len(DATA) // 2, len(DATA) - 1])
def test_a_flipped_bit_is_found(place):
    bent = bytearray(DATA)
    bent[place] ^= 1
    with pytest.raises(BackupBrokenError):
        rows(bytes(bent))


@pytest.mark.parametrize("nth", range(1, len(frames(DATA))))
def test_a_part_that_is_left_out_repeated_or_moved_is_found(nth):
    parts = frames(DATA)
    left_out = [*parts[:nth], *parts[nth + 1 :]]
    repeated = [*parts[: nth + 1], *parts[nth:]]
    moved = [*parts[:1], parts[nth], *(part for at, part in enumerate(parts) if at not in (0, nth))]
    for bent in (left_out, repeated, *([moved] if nth > 1 else [])):
        with pytest.raises(BackupBrokenError):
            rows(b"".join(bent))


@pytest.mark.parametrize("length", range(0, len(DATA), 37))
def test_a_cut_backup_is_found(length):
    with pytest.raises(BackupBrokenError):
        rows(DATA[:length])


def test_another_key_opens_nothing():
    with pytest.raises(BackupBrokenError, match="not sealed to this key"):
        rows(DATA, private=new_one_time_key().private)


def test_whoever_has_the_public_key_alone_makes_no_backup():
    with pytest.raises(BackupBrokenError, match="not signed"):
        rows(made(TABLES, signer=Signer(generate_seed())))


def test_parts_of_two_backups_do_not_mix():
    one, other = frames(DATA), frames(made(TABLES))
    with pytest.raises(BackupBrokenError):
        rows(b"".join([*one[:3], *other[3:]]))


def test_a_head_of_another_agency_or_database_does_not_open():
    head, *parts = frames(DATA)
    for was, other in ((b"setagaya", b"suginami"), (b"linkage", b"intermediate")):
        with pytest.raises(BackupBrokenError):
            rows(b"".join([head.replace(was, other), *parts]))
    with pytest.raises(BackupBrokenError):
        read_head(io.BytesIO(b'{"agency": "setagaya"}\n'))


def journal(tmp_path) -> ErasureJournal:
    ring = Keyring.new()
    ring.create("erased")
    return ErasureJournal(tmp_path / "setagaya.erased", ring)


def test_the_journal_names_what_was_erased_since_and_nobody(tmp_path):
    kept = journal(tmp_path)
    kept.write([("replica", "kokuho/1"), ("replica", "kokuho/2")], NOW - timedelta(days=1))
    kept.write([("person_code", b"\x01\x02")], NOW)
    since = kept.erased_since(NOW, ID)
    assert since == set(kept.digests("person_code", b"\x01\x02"))
    assert kept.erased_since(NOW - timedelta(days=2), ID) > since
    assert kept.digests("replica", "kokuho/1") != kept.digests("person_code", "kokuho/1")
    assert b"kokuho" not in (tmp_path / "setagaya.erased").read_bytes()


def test_what_was_erased_before_a_rotation_is_known_after_it(tmp_path):
    store = KeyStore.create(tmp_path / "setagaya.json", Secret(b"passphrase"), profile="cheapest", purposes=["erased"])
    kept = ErasureJournal.beside(tmp_path / "setagaya.json", store.ring)
    kept.write([("replica", "a"), ("replica", "b")], NOW)
    store.ring.rotate("erased")
    kept.write([("replica", "c")], NOW)
    since = kept.erased_since(NOW, ID)
    assert [since.isdisjoint(kept.digests("replica", one)) for one in "abcd"] == [False, False, False, True]
    assert [kept.lines_under(version) for version in (1, 2, 3)] == [2, 1, 0]
    assert ErasureJournal.beside(tmp_path / "suginami.json", store.ring).lines_under(1) == 0


def test_sc_15_what_was_erased_after_a_backup_is_known_when_the_clock_was_set_back(tmp_path):
    """The clock of the machine was an hour ahead when the backup was made."""
    kept = journal(tmp_path)
    kept.write([("replica", "before")], NOW - timedelta(hours=2))
    kept.begin_backup(ID, NOW)
    kept.write([("replica", "after")], NOW - timedelta(hours=1))
    since = kept.erased_since(NOW, ID)
    assert not since.isdisjoint(kept.digests("replica", "after"))
    assert since.isdisjoint(kept.digests("replica", "before"))


def test_a_journal_knows_whether_a_name_was_ever_in_it(tmp_path):
    kept = journal(tmp_path)
    assert not kept.names("staff_member", "sato")
    kept.write([("staff_member", "sato")], NOW)
    assert kept.names("staff_member", "sato")
    assert not kept.names("staff_card", "sato")


def test_a_line_that_was_cut_spoils_no_other(tmp_path):
    kept = journal(tmp_path)
    kept.write([("replica", "a"), ("replica", "b")], NOW)
    path = tmp_path / "setagaya.erased"
    path.write_bytes(path.read_bytes()[:-10])
    kept.write([("replica", "c")], NOW)
    assert {*kept.digests("replica", "a"), *kept.digests("replica", "c")} <= kept.erased_since(NOW, ID)
    assert kept.erased_since(NOW, ID).isdisjoint(kept.digests("replica", "b"))

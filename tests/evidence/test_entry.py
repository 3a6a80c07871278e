from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from evidence.canonical import NotCanonical, decode
from evidence.entry import (
    EXCHANGE_KINDS,
    OTHER_KINDS,
    EntryKind,
    commit_purpose,
    commit_subject,
    encode_entry,
    other_entry,
)
from tests.evidence.exchanges import step

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_the_commitment_is_hmac_sha256_of_the_number_under_the_salt():
    salt = bytes(range(32))
    assert commit_subject(salt, "000000000000019") == hmac.new(salt, b"000000000000019", hashlib.sha256).hexdigest()


def test_a_short_salt_is_refused():
    with pytest.raises(ValueError, match="salt"):
        commit_subject(b"", "000000000000019")


def test_an_exchange_entry_has_exactly_the_fields_of_the_contract():
    fields = (
        "v id at kind inquiry_number permit_id inquirer provider basis item information items list_digest "
        "request_digest sealed_digest disposition reason actor subject"
    )
    entry = step(EntryKind.PERMIT_ISSUED, 1, 0)
    assert sorted(entry) == sorted(fields.split())
    assert entry["items"] == ["amount", "income"]
    assert decode(encode_entry(entry)) == entry


def test_every_kind_is_either_a_step_of_an_exchange_or_not():
    assert set(EntryKind) == EXCHANGE_KINDS | OTHER_KINDS
    assert not EXCHANGE_KINDS & OTHER_KINDS


def test_kinds_are_not_mixed_up():
    with pytest.raises(ValueError, match="step"):
        other_entry(id="1", at=NOW, kind=EntryKind.PERMIT_ISSUED)
    with pytest.raises(ValueError, match="step"):
        step(EntryKind.CODES_ISSUED, 1, 0)


def test_facts_that_are_not_canonical_are_refused():
    with pytest.raises(NotCanonical):
        encode_entry(other_entry(id="1", at=NOW, kind=EntryKind.CODES_ISSUED, facts={"share": 0.5}))


def test_a_purpose_is_committed_to_apart_from_any_subject():
    salt = b"s" * 32
    assert commit_purpose(salt, "還付") != commit_purpose(b"t" * 32, "還付")
    assert commit_purpose(salt, "1") != commit_subject(salt, "1")
    with pytest.raises(ValueError, match="salt"):
        commit_purpose(b"", "還付")

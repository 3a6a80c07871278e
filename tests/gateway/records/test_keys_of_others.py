"""What one agency has sealed opens nowhere else (SC-8, SC-20): not under another agency's keys, and not under its own in another's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.codes import binding
from gateway.intermediate_server.correction import correcting
from gateway.intermediate_server.inquiry.under_way import private_aad, result_aad
from gateway.intermediate_server.records import subjects
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.staff import factors
from keys.box import new_box_key
from keys.errors import KeyUnusable, SealBroken
from storage.key_store import KeyStore
from tests.support.linkage_world import PASSPHRASE

NUMBER, ID = "100000000000001", "C" + "0" * 26
OTHER = "suginami"


def sealed_by(agency: HostedAgency, entry: Any) -> dict[str, Callable[[HostedAgency], Any]]:
    """Each kind of thing that is kept sealed, and what opens it at an agency."""
    ring, result = agency.keys.ring, "result/2022-10-03T05"
    for purpose in (result, "personal/2022"):
        agency.keys.ensure(purpose)
    code = binding.kept_code(agency, NUMBER, b"c" * binding.CODE_SIZE)[1]
    key = registration.wrap_person_key(agency, NUMBER, new_box_key())
    number, under = correcting.seal_number(agency, ID, NUMBER, agency.clock())
    relation = factors.kept_relation(ring, agency.id, "staff-1", NUMBER)[1]
    of_result, of_key = (ring.encrypt(result, b"x", aad(agency, "Q1")) for aad in (result_aad, private_aad))
    return {
        "code": lambda at: binding.open_code(at, NUMBER, code),
        "key of a person's copies": lambda at: registration.open_person_key(at.keys.ring, at.id, NUMBER, key),
        "right number of a correction": lambda at: at.keys.ring.decrypt(under, number, correcting._bound(at, ID)),
        "relation of staff": lambda at: factors.open_relation(at.keys.ring, at.id, "staff-1", relation),
        "result": lambda at: at.keys.ring.decrypt(result, of_result, result_aad(at, "Q1")),
        "one-time key": lambda at: at.keys.ring.decrypt(result, of_key, private_aad(at, "Q1")),
        "person of a record": lambda at: subjects.open_personal(at, entry),
    }


def opens(opening, at: HostedAgency) -> bool:
    try:
        return opening(at) is not None
    except (SealBroken, KeyUnusable):
        return False


@pytest.fixture
def other_keys(records, tmp_path) -> KeyStore:
    """Another agency's ring, with a key for every purpose of the first one's."""
    made = KeyStore.create(tmp_path / "other.json", PASSPHRASE, profile="cheapest")
    made.ensure_all([*records.agency.keys.ring.purposes(), "personal/2022", "result/2022-10-03T05"])
    return made


async def test_what_an_agency_has_sealed_opens_under_its_own_keys_in_its_own_name_alone(records, other_keys):
    put = await records.put(NUMBER)
    [entry] = await records.inside("select * from log_entry where entry_id = $1", put.entry_id)
    own = records.agency
    others = (replace(own, keys=other_keys, id=OTHER), replace(own, keys=other_keys), replace(own, id=OTHER))
    for kind, opening in sealed_by(own, entry).items():
        assert opens(opening, own), kind
        assert not [at for at in others if opens(opening, at)], kind


async def test_indexes_of_one_person_are_others_at_every_agency(records, other_keys):
    own, other = records.agency, replace(records.agency, keys=other_keys, id=OTHER)
    own.keys.ensure("personal/2022")
    code = b"c" * binding.CODE_SIZE
    for of in (
        lambda at: set(subjects.indexes(at, NUMBER)),
        lambda at: set(binding.indexes_of_codes(at, [code])),
        lambda at: set(factors.person_indexes(at.keys.ring, NUMBER)),
    ):
        assert of(own).isdisjoint(of(other))

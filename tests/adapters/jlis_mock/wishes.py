"""What these tests ask for: one row of the list that permits, and codes obtained as the law has it."""

from __future__ import annotations

import base64
import secrets
from dataclasses import replace
from typing import Any

from adapters.jlis_mock.dishonest import SignedRequest, Wish
from codebook.identifiers import new_sortable_id
from storage.reference_data import read_permission_list
from tests.adapters.jlis_mock.people import resident
from tests.adapters.jlis_mock.surroundings import Surroundings
from transport.clock import Clock

ACCOUNT = Wish(
    provider="naikaku",
    basis="meirei-2024",
    item="162",
    information="公的給付支給等口座登録簿関係情報",
    list_digest=read_permission_list().digest,
)


async def acquire(around: Surroundings, agency: str, index: int) -> bytes:
    """The agency's code of a synthetic resident, by the road of LS-4."""
    person = resident(index)
    await around.items("resident-staff", f"{around.resident_url}/population", [person])
    number = new_sortable_id("P", 1, secrets.token_bytes(10))
    item = {"acquisition_number": number, "individual_number": person["individual_number"]}
    answers = await around.items(f"{agency}-linkage", f"{around.resident_url}/code-requests", [item])
    assert answers == [{"accepted": True}]
    return around.neighbours.codes[agency, number]


async def permitted(around: Surroundings, index: int = 1, **changes: Any) -> tuple[SignedRequest, str]:
    """A request of setagaya and its permit."""
    peer = around.peer("setagaya")
    signed = peer.build(replace(ACCOUNT, **changes), Clock()())
    answer = await peer.ask_permit(signed, await acquire(around, "setagaya", index))
    return signed, str(answer["permit"])


def is_base64(text: str) -> bool:
    return base64.b64encode(base64.b64decode(text)).decode() == text

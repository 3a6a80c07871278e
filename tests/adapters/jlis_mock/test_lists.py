"""The core and versions of the permission list: distributed as signed, published by its staff alone, judged by the legal day."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import yaml

from adapters.jlis_mock.core import list_versions
from keys.masked import Secret
from keys.publisher import PublisherKeys
from keys.signing import Signer
from permission_lists.versions import Head, SignedVersion, check, legal_day, make, read_head
from storage.reference_data import read_permission_list, read_permission_texts
from tests.adapters.jlis_mock.surroundings import PUBLISHER, Surroundings, another_network
from tests.adapters.jlis_mock.wishes import ACCOUNT, acquire
from transport.channel import RefusedByPeerError
from transport.clock import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEYS = PublisherKeys.of(PUBLISHER.public_key)


async def fetched(
    around: Surroundings, held: int = 0, who: str = "setagaya", url: str | None = None
) -> list[SignedVersion]:
    (answer,) = await around.items(who, f"{url or around.url}/list-versions", [{"held": held}])
    return [
        SignedVersion(**{name: base64.b64decode(one[name]) for name in ("head", "signature", "content")})
        for one in answer["versions"]
    ]


async def published(around: Surroundings, *versions: SignedVersion, who: str = "network-staff") -> list[Any]:
    items = [
        {name: base64.b64encode(getattr(one, name)).decode() for name in ("head", "signature", "content")}
        for one in versions
    ]
    return await around.items(who, f"{around.url}/list-versions/publish", items)


def heads(versions: list[SignedVersion]) -> list[Head]:
    found: list[Head] = []
    for one in versions:
        head = check(one, found, KEYS)
        assert isinstance(head, Head)
        found.append(head)
    return found


def following(
    before: Head, note: str = "次の版", *, days: int = 1, signer: Signer = PUBLISHER, number: int | None = None
) -> SignedVersion:
    documents = [yaml.load(text, Loader=yaml.CSafeLoader) for text in read_permission_texts()]
    documents[0]["basis"]["text_note"] = note
    return make(
        documents, number=number or before.number + 1, valid_from=legal_day(Clock()()) + timedelta(days=days),
        supersedes=before.content_digest, signer=signer,
    )  # fmt: skip


async def log_of(around: Surroundings) -> list[str]:
    rows = await around.sql("select kind from core.log_entry where kind like 'list.%' order by idx")
    return [row["kind"] for row in rows]


async def test_every_agency_gets_the_versions_it_lacks_oldest_first(around: Surroundings) -> None:
    found = heads(await fetched(around))

    assert [head.valid_from for head in found[:2]] == [date(2022, 6, 17), date(2024, 5, 27)]
    assert found[1].content_digest == read_permission_list().digest
    assert heads(await fetched(around))[1:2] == [read_head((await fetched(around, held=1))[0].head)]
    assert await fetched(around, held=found[-1].number) == []


@pytest.mark.parametrize("days", [0, -1])
async def test_a_version_must_begin_after_today_so_that_every_server_can_have_it(
    around: Surroundings, days: int
) -> None:
    """Stands before the tests that publish: their version is valid from tomorrow."""
    version = following(heads(await fetched(around))[-1], days=days)

    assert await published(around, version) == [{"refused": {"reason": "list_date_not_ahead"}}]


async def test_a_published_version_is_distributed_recorded_and_still_there_after_a_restart(
    around: Surroundings,
) -> None:
    before = heads(await fetched(around))[-1]
    version = following(before)

    assert await published(around, version) == [{"published": True}]
    assert await published(around, version) == [{"published": True}]

    assert [one.head for one in await fetched(around, held=before.number)] == [version.head]
    assert (await log_of(around)).count("list.published") == before.number + 1
    async with another_network(around) as url:
        assert [one.head for one in await fetched(around, held=before.number, url=url)] == [version.head]


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("list_signature", {"signer": Signer(Secret(b"\x09" * 32))}),
        ("list_version_gap", {"number": 40}),
        ("list_version_backwards", {"number": 2}),
    ],
)
async def test_what_may_not_be_published_is_refused_whole_and_recorded_once(
    around: Surroundings, reason: str, wrong: dict[str, Any]
) -> None:
    before = heads(await fetched(around))
    version = following(before[-1], reason, **wrong)

    assert await published(around, version) == [{"refused": {"reason": reason}}]
    recorded = (await log_of(around)).count("list.refused")
    assert await published(around, version) == [{"refused": {"reason": reason}}]

    assert heads(await fetched(around)) == before
    assert (await log_of(around)).count("list.refused") == recorded


@pytest.mark.parametrize("who", ["setagaya", "suginami-staff", "resident-staff", "network"])
async def test_nobody_but_staff_of_the_network_publishes(around: Surroundings, who: str) -> None:
    version = following(heads(await fetched(around))[-1])

    with pytest.raises(RefusedByPeerError, match="certificate_for_another_use"):
        await published(around, version, who=who)


@pytest.mark.parametrize("who", ["setagaya-linkage", "suginami-staff", "resident-network"])
async def test_nobody_but_intermediate_servers_and_staff_of_the_network_fetches(around: Surroundings, who: str) -> None:
    with pytest.raises(RefusedByPeerError, match="certificate_for_another_use"):
        await fetched(around, who=who)


async def test_one_request_is_answered_with_one_agencys_lists(around: Surroundings) -> None:
    with pytest.raises(RefusedByPeerError, match="too_many_items"):
        await around.items("setagaya", f"{around.url}/list-versions", [{"held": 0}] * 2)


@pytest.mark.parametrize("known", [True, False])
async def test_a_request_by_a_list_that_does_not_count_today_gets_no_permit(around: Surroundings, known: bool) -> None:
    past = read_permission_list(date(2022, 6, 17)).digest
    wish = replace(ACCOUNT, list_digest=past if known else "0" * 64)
    peer = around.peer("setagaya")

    answer = await peer.ask_permit(peer.build(wish, Clock()()), await acquire(around, "setagaya", 7))

    assert answer == {"refused": {"reason": "list_not_in_force" if known else "list_digest_unknown"}}


async def test_a_version_counts_in_the_core_from_midnight_on() -> None:
    from adapters.jlis_mock.core.list_shelf import ListShelf

    shelf = ListShelf(database=None, tenant="", committer=None, keys=lambda: KEYS)  # type: ignore[arg-type]
    for signed in _first_two():
        wire = list_versions.Signed(head=signed.head, signature=signed.signature, content=signed.content)
        found = list_versions.accept(wire, shelf.versions, KEYS)
        assert isinstance(found, list_versions.Version)
        shelf.versions.append(found)

    counted = [shelf.on(day) for day in (date(2022, 6, 16), date(2024, 5, 26), date(2024, 5, 27), date(2024, 5, 26))]
    assert [None if one is None else one.digest for one in counted] == [
        None, shelf.versions[0].digest, shelf.versions[1].digest, shelf.versions[0].digest,
    ]  # fmt: skip


def _first_two() -> tuple[SignedVersion, ...]:
    from gateway.setting_up.list_versions import sign_shipped

    return sign_shipped(PUBLISHER)

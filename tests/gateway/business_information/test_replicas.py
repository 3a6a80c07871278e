"""IS-6 at the intermediate server: record id and revision are the retry identity; a later sending replaces, an earlier one never does."""

from __future__ import annotations

import asyncio
import base64
import itertools

import aiohttp
import pytest

from tests.gateway.linkage_server.test_business_information import record
from transport.tls import client_context

KEY = base64.b64encode(bytes(range(32))).decode()


def item(revision, value="1111111", *, number=1, operation="register", record_id="kokuho/r1", **changes):
    line = record(1)
    items = line["items"] | {"口座番号": {"value": value}} if operation == "register" else {}
    said = {key: line[key] for key in ("information", "data_set", "version", "public_from", "auto_response")}
    return (
        said
        | {
            "record_id": record_id,
            "revision": revision,
            "operation": operation,
            "integrated_number": f"{number:015d}",
            "items": items,
        }
        | changes
    )


class Peer:
    """The linkage server's certificate, in the hands of a test."""

    def __init__(self, both, client):
        self.both, self.client = both, client

    async def ask(self, function, items):
        url = f"https://127.0.0.1:{self.both.intermediate.port}/setagaya/{function}"
        async with self.client.post(url, json={"items": items}) as answer:
            found = await answer.json()
            return found["items"] if answer.status == 200 else (answer.status, found["reason"])

    async def send(self, *items):
        """`registered`, or the reason why not, of each; a list that lost a race is to be asked again."""
        found = await self.ask("replicas", list(items))
        if isinstance(found, tuple):
            return [found[1]]
        return [one.get("refused", {}).get("reason", "registered") for one in found]


@pytest.fixture
async def peer(both):
    identity = both.linkage.config.hosted["setagaya"].identity
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    async with both.standing(), aiohttp.ClientSession(connector=connector) as client:
        yield Peer(both, client)


async def test_is_6_the_same_sending_again_is_registered_already(peer):
    assert await peer.send(item(5)) == ["registered"]
    before = await peer.both.replicas("select *, xmin::text from replica")
    assert await peer.send(item(5)) == ["registered"]
    assert await peer.both.replicas("select *, xmin::text from replica") == before


async def test_is_6_another_content_under_a_sending_is_refused(peer):
    assert await peer.send(item(5), item(5, "2222222", record_id="kokuho/r2")) == ["registered", "registered"]
    assert await peer.send(item(5, "3333333")) == ["record_id_reused"]


async def test_ls_3_1_whoever_follows_a_log_that_a_restore_set_back_goes_on_from_its_end(peer):
    [now] = await peer.ask("inquiry-endings", [{"system": "kokuho"}])
    beyond = now["next"] | {"index": now["next"]["index"] + 100}
    [found] = await peer.ask("inquiry-endings", [{"system": "kokuho", "after": beyond}])
    assert found == {"endings": [], "next": now["next"], "more": False}


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
async def test_is_6_of_sendings_in_any_order_the_last_one_stays(peer, order):
    for revision in order:
        await peer.send(item(revision, f"{revision}" * 7, number=revision))
    [row] = await peer.both.replicas()
    assert (row["revision"], row["integrated_number"]) == (3, f"{3:015d}")


async def test_is_6_a_late_message_does_not_bring_back_what_was_deleted(peer):
    assert await peer.send(item(1)) == ["registered"]
    assert await peer.send(item(3, operation="delete")) == ["registered"]
    [refused] = await peer.ask("replicas", [item(2)])
    assert refused == {"refused": {"reason": "revision_outdated", "item": "", "revision": 3}}
    assert await peer.both.replicas() == []
    assert await peer.send(item(4)) == ["registered"]


async def test_is_6_a_deletion_that_comes_before_its_registration_wins_all_the_same(peer):
    assert await peer.send(item(2, operation="delete"), item(1)) == ["registered", "record_id_twice"]
    assert await peer.send(item(1)) == ["revision_outdated"]


async def test_is_6_a_late_deletion_leaves_a_later_copy(peer):
    assert await peer.send(item(7)) == ["registered"]
    assert await peer.send(item(6, operation="delete")) == ["revision_outdated"]
    assert len(await peer.both.replicas()) == 1


async def test_is_6_sendings_at_once_end_in_the_last_one(peer):
    await asyncio.gather(*(peer.send(item(revision, f"{revision:07d}")) for revision in range(1, 21)))
    for revision in range(1, 21):  # whoever lost a race asks again
        await peer.send(item(revision, f"{revision:07d}"))
    [row] = await peer.both.replicas()
    assert row["revision"] == 20


async def test_is_6_the_format_check_names_the_item(peer):
    wrong = item(1)
    wrong["items"] = wrong["items"] | {"店番": {"value": "あ"}}
    assert (await peer.ask("replicas", [wrong]))[0] == {"refused": {"reason": "value_not_in_form", "item": "店番"}}
    assert await peer.send(item(1, version="9999"), item(1, information="架空の情報")) == [
        "field_malformed",
        "information_not_in_layouts",
    ]
    assert await peer.both.replicas() == []


async def test_is_6_an_export_holds_digests_and_contents_only_when_asked(peer):
    await peer.send(*(item(nth, record_id=f"kokuho/r{nth}") for nth in range(1, 6)))
    [first] = await peer.ask(
        "replica-export", [{"digest_key": KEY, "after": "kokuho/", "before": "kokuho0", "limit": 3}]
    )
    [rest] = await peer.ask(
        "replica-export", [{"digest_key": KEY, "after": first["next"], "before": "kokuho0", "limit": 3}]
    )
    assert [one["record_id"] for one in first["records"] + rest["records"]] == [f"kokuho/r{nth}" for nth in range(1, 6)]
    assert rest["next"] is None
    assert not any("items" in one for one in first["records"])
    [named] = await peer.ask("replica-export", [{"digest_key": KEY, "record_ids": ["kokuho/r4", "nobody"]}])
    assert [one["items"]["口座番号"] for one in named["records"]] == [{"value": "1111111"}]
    assert named["records"][0]["digest"] == rest["records"][0]["digest"]


async def test_is_6_digests_of_two_questions_have_nothing_in_common(peer):
    await peer.send(item(1))
    pages = await peer.ask(
        "replica-export", [{"digest_key": base64.b64encode(bytes([fill] * 32)).decode()} for fill in (1, 2)]
    )
    assert pages[0]["records"][0]["digest"] != pages[1]["records"][0]["digest"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"digest_key": "AAAA"},
        {"digest_key": KEY, "limit": 0},
        {"digest_key": KEY, "limit": 1001},
        {"digest_key": KEY, "more": 1},
    ],
)
async def test_is_6_an_export_item_has_its_documented_form(peer, wanted):
    assert await peer.ask("replica-export", [wanted]) == (400, "malformed_item")

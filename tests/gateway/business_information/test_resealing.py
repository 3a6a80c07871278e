"""IS-8: after a key is rotated its rows are sealed anew while everything goes on, nothing becomes unreadable, and the old version can go."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime

import aiohttp
import asyncpg
import pytest

from gateway.intermediate_server.person_keys import PersonKeys
from gateway.key_needs.by_program import need
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.resealing.rows import PURPOSES
from keys.masked import Secret
from keys.ring import Keyring
from storage.key_store import KeyStore
from storage.resealing.job import outdated
from tests.gateway.business_information.test_jobs import jobs
from tests.gateway.business_information.test_replicas import KEY, Peer, item
from tests.gateway.provision.test_which_copies_are_barred import administrator, sealed_as_before
from tests.support.linkage_world import PASSPHRASE
from tests.support.running_system import until
from transport.tls import client_context

AT = datetime(2026, 4, 1, tzinfo=UTC)
DAY = date(2026, 4, 1)
TEXTS = ["架空 太郎", "カクウ タロウ", "男", "1980-01-01", "架空市架空町1"]
NOT_SEALED_ANEW = {
    ("inquiry_file_line", "sealed"): "goes by itself after its time",
    ("intake", "said_sealed"): "goes when the list is on record, at the latest an hour later",
    ("access_reason", "sealed"): "append-only, beside the log",
}


@pytest.fixture
async def client(both):
    identity = both.linkage.config.hosted["setagaya"].identity
    connector = aiohttp.TCPConnector(ssl=client_context(identity, identity.ca))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def at_once(both):
    """Rows that were on their way at the rotation are waited for: here there are none."""
    both.intermediate = replace(both.intermediate, options={"reseal_settle_s": 0})
    return both


def change_ring(path, *changes):
    """What `sekisho keys` does to a key file."""
    store = KeyStore.open(path, PASSPHRASE)
    with store.changing() as ring:
        for change in changes:
            change(ring)
    return store.ring


async def ended(both, purpose="replicas"):
    found = await until(
        lambda: both.replicas("select * from resealing where purpose = $1 and finished_at is not null", purpose), bool
    )
    return found[0]


def versions(rows, column="wrapped"):
    return {int.from_bytes(row[column][1:5]) for row in rows}


async def exported(peer, count):
    wanted = [{"digest_key": KEY, "record_ids": [f"kokuho/r{nth}" for nth in range(count)]}]
    [page] = await peer.ask("replica-export", wanted)
    return {one["record_id"]: one.get("items", {}).get("口座番号", {}).get("value") for one in page["records"]}


async def test_is_8_copies_go_under_new_keys_while_lists_come_in_and_the_old_version_goes(both, client):
    count = 120
    at_once(both)
    peer, ring = Peer(both, client), both.intermediate.hosted["setagaya"].keys
    copies = [item(1, f"{nth:07d}", number=1 + nth // 3, record_id=f"kokuho/r{nth}") for nth in range(count)]
    async with both.standing():
        assert set(await peer.send(*copies)) == {"registered"}
    before = await both.replicas()
    keys_before = await both.replicas("select * from person_key")
    change_ring(ring, lambda one: one.rotate("replicas"))

    async with both.standing():
        sent = 0
        while not await both.replicas("select from resealing where finished_at is not null"):
            changed = item(
                2 + sent, f"{5_000_000 + sent}", number=1 + sent % 40, record_id=f"kokuho/r{3 * (sent % 40)}"
            )
            assert await peer.send(changed) == ["registered"]
            sent += 1
        row = await ended(both)
        assert (row["version"], row["reason"], row["unreadable"]) == (2, None, 0)
        assert row["done"] == row["total"] == 40
        assert await peer.send(copies[1]) == ["registered"]
        assert await peer.send(item(1, "9999999", number=1, record_id="kokuho/r1")) == ["record_id_reused"]
    assert sent > 0
    after = await both.replicas()
    keys_after = await both.replicas("select * from person_key")
    assert versions(keys_before) == {1}
    assert versions(keys_after) == {2}
    assert {bytes(one["sealed"]) for one in before}.isdisjoint(bytes(one["sealed"]) for one in after)
    assert {bytes(one["content_index"]) for one in before}.isdisjoint(bytes(one["content_index"]) for one in after)

    change_ring(ring, lambda one: one.destroy("replicas", 1))
    async with both.standing():
        found = await exported(peer, count)
        assert len(found) == count
        assert None not in found.values()
        assert [found[f"kokuho/r{nth}"] for nth in (1, 2, 4)] == ["0000001", "0000002", "0000004"]
    said = [
        one["body"].decode() for one in await both.replicas("select body from log_entry where kind = 'keys.resealed'")
    ]
    assert ['"event":"begun"' in one for one in said] == [True, False]
    assert all('"purpose":"replicas"' in one and '"version":2' in one for one in said)


async def test_sc_20_copies_of_before_have_their_flags_sealed_with_them_when_their_agency_is_opened(both, client):
    peer, hosted = Peer(both, client), both.intermediate.hosted["setagaya"]
    async with both.standing():
        sent = item(1), item(1, number=2, record_id="kokuho/r2")
        assert await peer.send(*sent) == ["registered"] * 2
    async with administrator(both.linkage.admin_dsn, hosted.tenant) as admin:
        await sealed_as_before(admin, KeyStore.open(hosted.keys, PASSPHRASE).ring, hosted.id, {"kokuho/r2"})
    async with both.standing():
        [page] = await peer.ask("replica-export", [{"digest_key": KEY}])
    assert [one["auto_response"] for one in page["records"]] == ["allowed", "barred"]
    assert await both.replicas("select from replica where flag_beside") == []


async def test_a_person_whose_row_was_changed_is_left_as_it_is_and_told(both, client):
    at_once(both)
    peer = Peer(both, client)
    async with both.standing():
        assert await peer.send(item(1), item(1, number=2, record_id="kokuho/r2")) == ["registered"] * 2
    await both.replicas("update replica set public_from = '2000-01-01' where record_id = 'kokuho/r2'")
    [before] = await both.replicas("select * from person_key where integrated_number = $1", f"{2:015d}")
    change_ring(both.intermediate.hosted["setagaya"].keys, lambda one: one.rotate("replicas"))
    async with both.standing():
        row = await ended(both)
        assert (row["reason"], row["unreadable"], row["done"]) == ("rows_unreadable", 1, 1)
    [after] = await both.replicas("select * from person_key where integrated_number = $1", f"{2:015d}")
    assert after == before


async def test_rows_that_somebody_holds_are_left_for_the_next_pass(both, client):
    at_once(both)
    peer = Peer(both, client)
    async with both.standing():
        assert (
            await peer.send(*(item(1, number=n, record_id=f"kokuho/r{n}") for n in range(1, 5))) == ["registered"] * 4
        )
    change_ring(both.intermediate.hosted["setagaya"].keys, lambda one: one.rotate("replicas"))
    holder = await asyncpg.connect(both.linkage.admin_dsn)
    try:
        await holder.execute("select set_config('search_path', $1, false)", both.intermediate.hosted["setagaya"].tenant)
        async with both.standing():
            async with holder.transaction():
                await holder.fetch("select from replica where record_id = 'kokuho/r2' for update")
                done = await until(
                    lambda: both.replicas("select done from resealing"),
                    lambda rows: bool(rows) and rows[0]["done"] == 3,
                )
                assert done[0]["done"] == 3
                assert await both.replicas("select from resealing where finished_at is not null") == []
            assert (await ended(both))["done"] == 4
    finally:
        await holder.close()


async def test_nothing_is_sealed_under_a_key_that_is_being_replaced():
    keys = PersonKeys()
    order = []

    async def register(numbers):
        async with keys.using(numbers):
            order.append(numbers)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        async with keys.using({"1"}):
            with keys.replacing(["1", "2", "3"]) as free:
                assert free == ["2", "3"]
                waits, goes = group.create_task(register({"2"})), group.create_task(register({"4", "1"}))
                await goes
                assert not waits.done()
        await waits
    assert order == [{"4", "1"}, {"2"}]
    with keys.replacing(["1", "2"]) as free:
        assert free == ["1", "2"]


def rows_of_every_table(keys: PersonalKeys):
    """One row each, as the flows write them."""
    number, event_key = 7, "a" * 64
    sealed_number = keys.seal_individual_number("123456789018", number)
    four = keys.seal_four_items(json.dumps(TEXTS).encode(), number)
    return [
        ("insert into person (integrated_number, individual_number_index, individual_number_sealed, four_items_sealed) values ($1, $2, $3, $4)",
         number, bytes(32), sealed_number, four),
        ("insert into person_base values ($1, $2, $3, $4)", number, bytes(32), sealed_number, four),
        ("insert into former_individual_number (integrated_number, individual_number_index, individual_number_sealed) values ($1, $2, $3)",
         number, bytes(32), sealed_number),
        (("insert into person_event (event_key, integrated_number, business_system_id, addressee_number, kind, effective_on, recorded_at, sealed, digest)"
         " values ($1, $2, 'kokuho', '1', 'birth', $3, $4, $5, $6)"),
         event_key, number, DAY, AT, keys.seal_event(b"{}", number, event_key), bytes(32)),
        (("insert into review_hold (hold_id, business_system_id, addressee_number, reason, differing, sealed, held_at)"
         " values ('H1', 'kokuho', '1', 'four_items_differ', '{}', $1, $2)"), keys.seal_for_review(b"{}", "H1"), AT),
        (("insert into review_decision (decision_id, kind, subject, state, persons, revisions, sealed, content, business_system_id, affair, proposed_by,"
         " proposed_at, ended_at) values ('D1', 'link', 's', 'withdrawn', '{7}', '{1}', $1, $2, 'kokuho', 'a', 's-1', $3, $3)"),
         keys.seal_decision(b"{}", "D1"), bytes(32), AT),
        ("insert into waiting_change (event_key, business_system_id, effective_on, sealed, digest) values ($1, 'kokuho', '2999-01-01', $2, $3)",
         "b" * 64, keys.seal_for_review(b"{}", "b" * 64), bytes(32)),
        *(
            ((f"insert into {table} (record_id, addressee_number, information, data_set, layout_version, public_from, auto_response, deleted, edition,"
             f" changed_at, changed_by, sealed{more}) values ('kokuho/r1', '1', 'i', 'd', '1', $1, 'allowed', false, 1, $2, 's', $3{values})"),
             DAY, AT, keys.seal_original(b"{}", b'["kokuho/r1",1,"1","i","d","1",null,"2026-04-01",null,"allowed",false]'))
            for table, more, values in (
                ("original", ", business_system_id, transfer", ", 'kokuho', 'registered'"), ("original_past", "", ""))
        ),
        (("insert into push_target (business_system_id, kind, url, encoding, secret_sealed, state, person_revision, addressee_revision, event_no, configured_at)"
         " values ('juki', 'webhook', 'https://127.0.0.1:1/', 'utf-8', $1, 'off', 0, 0, 0, $2)"),
         keys.seal_push_secret(Secret(b"s" * 32), "juki"), AT),
        (("insert into push_delivery (delivery_id, business_system_id, integrated_number, event_no, state, sealed, due_at, made_at, ended_at)"
         " values ('P1', 'juki', $1, 0, 'dead', $2, $3, $3, $3)"), number, keys.seal_push(b"{}", "P1"), AT),
    ]  # fmt: skip


OPENED = {
    "person": lambda keys, row: (keys.open_four_items(row["four_items_sealed"], 7), keys.open_individual_number(row["individual_number_sealed"], 7)),
    "person_base": lambda keys, row: (keys.open_four_items(row["four_items_sealed"], 7), keys.open_individual_number(row["individual_number_sealed"], 7)),
    "former_individual_number": lambda keys, row: keys.open_individual_number(row["individual_number_sealed"], 7),
    "person_event": lambda keys, row: keys.open_event(row["sealed"], 7, row["event_key"]),
    "review_hold": lambda keys, row: keys.open_for_review(row["sealed"], "H1"),
    "review_decision": lambda keys, row: keys.open_decision(row["sealed"], "D1"),
    "waiting_change": lambda keys, row: keys.open_for_review(row["sealed"], row["event_key"]),
    "push_target": lambda keys, row: keys.open_push_secret(row["secret_sealed"], "juki").reveal(),
    "push_delivery": lambda keys, row: keys.open_push(row["sealed"], "P1"),
}  # fmt: skip


async def test_is_8_every_sealed_table_of_the_linkage_server_comes_under_the_new_versions(both):
    world = both.linkage
    ring = KeyStore.open(world.config.hosted["setagaya"].keys, PASSPHRASE).ring
    for statement, *values in rows_of_every_table(PersonalKeys(ring)):
        await world.rows(statement, *values)
    await world.register("kanri", system="kanri", scopes=("jobs:read",))
    rotated = change_ring(
        world.config.hosted["setagaya"].keys, *([lambda one, p=purpose: one.rotate(p) for purpose in PURPOSES])
    )
    async with both.served(reseal_settle_s=0) as caller:
        token = await caller.token("kanri")
        found = await until(
            lambda: jobs(caller, token, kind="resealing"),
            lambda told: len(told) == len(PURPOSES) and all(one["state"] == "done" for one in told),
        )
        assert {one["id"] for one in found} == {f"{purpose}-2" for purpose in PURPOSES}
        assert {one["id"]: one["done"] for one in found}["four-items-2"] == 3
    sealed = await world.rows(
        "select table_name, column_name from information_schema.columns where table_schema = current_schema() and column_name like '%sealed' and data_type = 'bytea'"
    )
    looked_at = {(row["table_name"], row["column_name"]) for row in sealed} - set(NOT_SEALED_ANEW)
    assert len(looked_at) == 14
    for table, column in sorted(looked_at):
        assert versions(await world.rows(f"select {column} from {table}"), column) == {2}, table
    change_ring(
        world.config.hosted["setagaya"].keys, *([lambda one, p=purpose: one.destroy(p, 1) for purpose in PURPOSES])
    )
    for purpose in PURPOSES:
        rotated.destroy(purpose, 1)
    for table, opened in OPENED.items():
        [row] = await world.rows(f"select * from {table}")
        assert opened(PersonalKeys(rotated), row)
    async with both.served() as caller:
        assert await caller.token("kanri")


async def test_is_8_an_old_version_that_names_lines_of_inquiry_files_goes_when_none_of_them_is_asked_any_more(both):
    world = both.linkage
    file = ("kokuho", b"f" * 32, 1)
    path = world.config.hosted["setagaya"].keys
    named = PersonalKeys(KeyStore.open(path, PASSPHRASE).ring).line_identity(*file, under=1)
    keys = PersonalKeys(change_ring(path, lambda one: one.rotate("inquiry-line")))
    assert (keys.version_of_lines, keys.line_identity(*file, under=1)) == (2, named)
    assert keys.line_identity(*file, under=2) != named
    await world.rows(
        "insert into inquiry_file (business_system_id, sha256, name, form, encoding, lines, taken_at, named_under)"
        " values ('kokuho', $1, 'f', 'csv', 'utf-8', 3, $2, 1)", b"f" * 32, AT,
    )  # fmt: skip
    config = replace(world.config, options={"program": "linkage"})
    assert "3" in (await need(config, "setagaya", "inquiry-line", 1) or "")
    await world.rows("update inquiry_file set state = 'finished', finished_at = taken_at")
    assert await need(config, "setagaya", "inquiry-line", 1) is None


def test_without_an_earlier_version_that_opens_there_is_nothing_to_do():
    ring = Keyring.new()
    assert outdated(ring, "replicas") is None
    ring.create("replicas")
    assert outdated(ring, "replicas") is None
    ring.rotate("replicas")
    assert outdated(ring, "replicas") == 2
    ring.destroy("replicas", 1)
    assert outdated(ring, "replicas") is None

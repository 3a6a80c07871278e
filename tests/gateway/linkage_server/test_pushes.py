"""LS-1.5, LS-1.6: changes reach the systems that hold the person, by webhook or file, in order, at least once, and nobody else."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from datetime import datetime, timedelta

import pytest

from storage import sql
from tests.support.push_ward import NUMBER, TOWN, row, ward_of
from transport.clock import JST


@pytest.fixture
async def ward(world):
    """kokuho and sky2 hold the person, juki does not; nothing is pushed yet."""
    async with ward_of(world) as made:
        await made.load(row())
        await made.load(row("81"), client="sky2")
        yield made


async def test_a_change_reaches_the_other_system_that_holds_the_person(ward):
    assert "secret" in (await ward.target()).body
    await ward.change(address="東京都世田谷区見本町9-9")
    (push,) = await ward.pushed(1)
    assert push["genuine"]
    assert push["addressee_numbers"] == ["81"]
    assert push["items"]["address"] == "東京都世田谷区見本町9-9"
    assert push["changes"] == [{"kind": "address_change", "effective_on": "2026-11-01"}]
    assert push["integrated_number"] == f"{await ward.number_of():015d}"
    await ward.quiet()
    assert len(ward.receiver.got) == 1


@pytest.mark.parametrize(
    ("kind", "said", "shown"),
    [
        ("address_change", {"address": "東京都世田谷区見本町9-9"}, ("living", "東京都世田谷区見本町9-9")),
        ("death", {}, ("dead", TOWN)),
    ],
)
async def test_a_change_that_is_typed_in_reaches_the_other_system_once(ward, kind, said, shown):
    await ward.target()
    today = datetime.now(JST).date().isoformat()
    change = {"event_id": "typed-1", "addressee_number": "1", "kind": kind, "effective_on": today} | said
    body = {"staff": "s-1", "affair": "insurance-qualification", "reason": "窓口の届出", "items": [change]}
    token = await ward.caller.token()
    answer = await ward.caller.post("/v1/person-changes", body, token=token, key="typed-1")
    assert answer.body["items"][0]["reason"] is None, answer
    (push,) = await ward.pushed(1)
    assert push["changes"] == [{"kind": kind, "effective_on": today}]
    assert (push["state"], push["items"]["address"]) == shown
    await ward.quiet()
    assert len(ward.receiver.got) == 1


async def test_the_system_that_sent_a_change_does_not_get_it_back(ward):
    await ward.target()
    await ward.target(client="kokuho", kind="folder")
    await ward.change(address="東京都世田谷区見本町9-9")
    await ward.pushed(1)
    await ward.quiet()
    assert ward.file("kokuho") == []


async def test_a_system_that_holds_the_person_by_two_numbers_gets_its_own_change_for_the_other_one(world):
    """It may not know yet that the two are one person."""
    async with ward_of(world) as ward:
        await ward.load(row())
        await ward.load(row("81"), row("82"), client="sky2")
        await ward.target()
        await ward.change(by="sky2", addressee_number="1", address="東京都世田谷区見本町9-9")
        (push,) = await ward.pushed(1)
    assert push["addressee_numbers"] == ["81", "82"]
    assert push["items"]["address"] == "東京都世田谷区見本町9-9"


async def test_a_change_of_its_own_beside_one_of_another_does_come(ward):
    await ward.target(state="off")
    await ward.change(by="sky2", address="東京都世田谷区見本町1-1")
    await ward.change(by="kokuho", kind="name_change", name="見本 花子")
    await ward.target()
    (push,) = await ward.pushed(1)
    assert [one["kind"] for one in push["changes"]] == ["address_change", "name_change"]


async def test_a_change_of_its_own_does_not_hide_one_of_another_that_had_waited_for_its_day(ward):
    await ward.change("individual_number_change")
    await ward.world.rows("update person_event set applied_at = null, recorded_at = now() - interval '3 days'")
    await ward.target(state="off")
    await ward.change("address_change", by="sky2", address="東京都世田谷区見本町9-9")
    await ward.world.rows("update person_event set applied_at = now() where applied_at is null")
    await ward.target()
    (push,) = await ward.pushed(1)
    assert [one["kind"] for one in push["changes"]] == ["individual_number_change", "address_change"]
    assert push["individual_number"] == NUMBER


async def test_a_system_that_does_not_hold_the_person_gets_nothing(ward):
    await ward.target()
    await ward.target(client="juki", kind="folder")
    await ward.change(address="東京都世田谷区見本町9-9")
    await ward.pushed(1)
    await ward.quiet()
    assert ward.file("juki") == []


async def test_who_no_longer_holds_the_person_gets_nothing(ward):
    await ward.target()
    await ward.world.rows(
        "update addressee set state = 'ended', ended_on = current_date where business_system_id = 'sky2'"
    )
    await ward.change(address="東京都世田谷区見本町9-9")
    await ward.quiet()
    assert ward.receiver.got == []


async def test_what_was_written_of_somebody_who_is_not_held_any_more_is_not_sent(ward):
    ward.receiver.statuses = [500]
    await ward.target()
    await ward.change(address="東京都世田谷区見本町9-9")
    await ward.until(lambda: ward.receiver.got, "the first attempt")
    await ward.world.rows(
        "update addressee set state = 'ended', ended_on = current_date where business_system_id = 'sky2'"
    )
    await ward.quiet()
    assert ward.receiver.taken == []
    stored = await ward.world.rows("select state, reason, sealed from push_delivery")
    assert [tuple(one) for one in stored] == [("dropped", "not_held", None)]


async def test_a_system_whose_client_is_suspended_or_may_not_be_pushed_to_learns_of_it_when_it_may_again(ward):
    await ward.target()
    for nth, (taken, given) in enumerate(
        (
            ("state = 'suspended'", "state = 'active'"),
            (
                "scopes = array_remove(scopes, 'sky2:pushes:configure')",
                "scopes = scopes || 'sky2:pushes:configure'::text",
            ),
        )
    ):
        await ward.world.rows(f"update oauth_client set {taken} where client_id = 'sky2'")
        await asyncio.sleep(1.0)  # a turn that had begun before
        await ward.change(address=f"東京都世田谷区見本町9-{nth}")
        await asyncio.sleep(2.0)  # two turns
        assert len(ward.receiver.got) == nth
        await ward.world.rows(f"update oauth_client set {given} where client_id = 'sky2'")
        assert (await ward.pushed(nth + 1))[-1]["items"]["address"] == f"東京都世田谷区見本町9-{nth}"


async def test_a_push_shows_the_items_of_the_systems_affairs_and_no_individual_number_unasked(world):
    own = (
        "affairs:\n"
        "- {code: notices, name: 通知, systems: [sky2], individual_number: false, items: [name, address]}\n"
        "- {code: all, name: 全部, systems: [kokuho], individual_number: true, items: [name, kana, sex, birth_date, address]}\n"
    )
    (world.config.folder / "own.yaml").write_text(own, encoding="utf-8")
    async with ward_of(world) as ward:
        await ward.load(row())
        await ward.load(row("81"), client="sky2")  # it might bring the number then
    async with ward_of(world, affairs={"setagaya": "own.yaml"}) as ward:
        await ward.target()
        await ward.change("individual_number_change", name="見本 花子")
        (push,) = await ward.pushed(1)
        assert set(push["items"]) == {"name", "address"}
        assert "individual_number" not in push
        assert NUMBER not in push["bytes"].decode()


async def test_a_changed_individual_number_is_pushed_to_who_may_use_it(ward):
    await ward.target()
    await ward.change("address_change", address="東京都世田谷区見本町9-9")
    (first,) = await ward.pushed(1)
    assert "individual_number" not in first
    await ward.change("individual_number_change")
    assert (await ward.pushed(2))[1]["individual_number"] == NUMBER


async def test_a_change_that_waited_for_its_day_is_pushed_on_it(ward):
    await ward.target(state="off")
    await ward.change("individual_number_change")
    await ward.world.rows("update person_event set applied_at = null, recorded_at = now() - interval '3 days'")
    await ward.change("address_change", address="東京都世田谷区見本町9-9")
    await ward.target()
    (before,) = await ward.pushed(1)
    assert [one["kind"] for one in before["changes"]] == ["address_change"]
    await ward.world.rows("update person_event set applied_at = now() where applied_at is null")
    await ward.world.rows("update person set revision = nextval('person_revision')")
    _, on_its_day = await ward.pushed(2)
    assert [one["kind"] for one in on_its_day["changes"]] == ["individual_number_change"]
    assert on_its_day["individual_number"] == NUMBER


async def test_a_new_integrated_number_is_pushed_to_who_may_learn_it(ward):
    await ward.target()
    await ward.target(client="juki", kind="folder")
    await ward.load(row("71"), client="juki")
    (said,) = await ward.until(lambda: ward.file("juki"), "a file for juki")
    rows = list(csv.DictReader(io.StringIO(said.with_name(json.loads(said.read_text())["file"]).read_text("utf-8"))))
    assert [(one["addressee_number"], one["integrated_number"]) for one in rows] == [
        ("71", f"{await ward.number_of():015d}")
    ]
    await ward.quiet()
    assert ward.receiver.got == []


async def test_the_integrated_number_is_not_pushed_to_who_may_not_learn_it(world):
    async with ward_of(world) as ward:
        await ward.load(row())
        await ward.target(client="plain", kind="folder")
        await ward.load(row("91"), client="plain")
        await ward.change(address="東京都世田谷区見本町9-9")
        (said,) = await ward.until(lambda: ward.file("plain"), "a file")
        text = said.with_name(json.loads(said.read_text())["file"]).read_text("utf-8")
        (one,) = csv.DictReader(io.StringIO(text))
        assert one["integrated_number"] == one["name"] == one["individual_number"] == ""
        assert one["addressee_number"] == "91"


async def test_a_frozen_person_is_not_pushed_until_released(ward):
    await ward.target()
    await ward.world.rows("update person set frozen = true")
    await ward.change(address="東京都世田谷区見本町9-9")

    async def waits():
        return await ward.world.rows("select 1 from push_delivery where state = 'waiting'")

    await ward.until(waits, "a push that waits")
    await asyncio.sleep(1.5)
    assert ward.receiver.got == []
    await ward.world.rows("update person set frozen = false")
    await ward.pushed(1)


async def test_pushes_of_one_person_keep_their_order_through_failures(ward):
    ward.receiver.statuses = [500, 503]
    await ward.target()
    await ward.change(address="東京都世田谷区見本町1-1")
    await ward.until(lambda: ward.receiver.got, "the first attempt")
    await ward.change(address="東京都世田谷区見本町2-2")
    pushes = await ward.pushed(2)
    assert [one["items"]["address"][-3:] for one in pushes] == ["1-1", "2-2"]
    first = [one for one in ward.receiver.got if one["delivery"] == pushes[0]["delivery"]]
    assert len(first) == 3
    assert len({one["bytes"] for one in first}) == 1
    await ward.quiet()
    forget = sql.load("gateway.linkage_server.pushes")["forget_ended"]
    soon = datetime.now(JST) + timedelta(days=1)
    looked_at = [(await ward.world.rows(forget, soon, 1))[0]["count"] for _ in range(3)]
    assert looked_at == [1, 1, 0]  # the one that is kept is looked at once
    assert [tuple(one) for one in await ward.world.rows("select delivery_id, kept from push_delivery")] == [
        (pushes[1]["delivery"], True)
    ]
    await ward.change(address="東京都世田谷区見本町3-3")
    third = (await ward.pushed(3))[2]["delivery"]
    await ward.quiet()
    await ward.world.rows(forget, soon, 10)
    assert [one["delivery_id"] for one in await ward.world.rows("select delivery_id from push_delivery")] == [third]


async def test_after_the_last_attempt_a_push_waits_for_somebody(ward):
    ward.receiver.statuses = [500] * 4
    await ward.target()
    await ward.change(address="東京都世田谷区見本町1-1")

    async def given_up():
        return (await ward.get("/v1/push-targets"))["dead"] == 1

    await ward.until(given_up, "a push that was given up")
    await ward.change(address="東京都世田谷区見本町2-2")
    (dead,) = (await ward.get("/v1/pushes/dead"))["items"]
    assert (dead["attempts"], dead["reason"]) == (4, "receiver_refused")
    assert ward.receiver.taken == []
    assert (await ward.post("/v1/pushes/resend", {"staff": "s-1"})).body == {"revived": 1}
    first, second = await ward.pushed(2)
    assert first["delivery"] == dead["delivery_id"]
    assert second["items"]["address"].endswith("2-2")
    asked = {"staff": "k-1", "affair": "audit", "reason": "点検", "business_system": "kokuho", "addressee_number": "1"}
    looks = (await ward.post("/v1/access-log/search", asked, client="kansa")).body["items"]
    resent = [one for one in looks if one.get("action") == "resend"]
    assert [(one["staff"], one["system"]) for one in resent] == [("s-1", "sky2")]  # SC-7: whose content went out again


async def test_one_receiver_that_hangs_holds_up_no_other(ward):
    """It has the push and does not answer: another one is sent its own meanwhile."""
    await ward.target(client="kokuho", url=f"https://{ward.host}/hangs")
    await ward.change(by="juki", address="東京都世田谷区見本町9-9")
    await ward.until(ward.receiver.hanging.is_set, "a push that hangs")
    await ward.target(client="sky2")
    await ward.change(by="juki", on="2026-11-02", address="東京都世田谷区見本町8-8")
    await ward.pushed(1)
    assert not ward.receiver.released.is_set()
    ward.receiver.released.set()


async def test_a_redirect_is_not_followed(ward):
    ward.receiver.statuses = [307]
    await ward.target()
    await ward.change(address="東京都世田谷区見本町9-9")
    await ward.pushed(1)
    assert [one["status"] for one in ward.receiver.got] == [307, 200]


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
async def test_a_folder_gets_a_file_with_its_manifest_in_the_declared_encoding(ward, encoding):
    await ward.target(kind="folder", encoding=encoding)
    await ward.change("name_change", name="見本 花子", kana="ミホン ハナコ")
    (said,) = await ward.until(ward.file, "a file")
    manifest = json.loads(said.read_text())
    data = said.with_name(manifest["file"]).read_bytes()
    assert (manifest["sha256"], manifest["encoding"], manifest["count"]) == (
        hashlib.sha256(data).hexdigest(),
        encoding,
        1,
    )
    (one,) = csv.DictReader(io.StringIO(data.decode(encoding)))
    assert (one["addressee_number"], one["name"], one["changes"]) == ("81", "見本 花子", "name_change:2026-11-01")
    await ward.quiet()


async def test_a_name_that_the_encoding_cannot_carry_is_given_up_and_never_replaced(ward):
    await ward.target(kind="folder", encoding="cp932")
    await ward.change("name_change", name="𠮷野 花子")

    async def given_up():
        return (await ward.get("/v1/pushes/dead"))["items"]

    (dead,) = await ward.until(given_up, "a push that was given up")
    assert (dead["reason"], dead["where"]) == ("character_not_in_encoding", "name 1")
    assert ward.file() == []
    await ward.target(kind="folder", encoding="utf-8")
    await ward.post("/v1/pushes/resend", {"staff": "s-1", "delivery_ids": [dead["delivery_id"]]})
    (said,) = await ward.until(ward.file, "a file")
    assert "𠮷野" in said.with_name(json.loads(said.read_text())["file"]).read_text("utf-8")


async def test_a_target_that_was_off_gets_what_it_missed(ward):
    await ward.target(state="off")
    await ward.change(address="東京都世田谷区見本町1-1")
    await asyncio.sleep(1.5)
    assert ward.receiver.got == []
    await ward.target()
    await ward.pushed(1)


async def test_what_leaves_is_on_record_and_found_by_who_asks_about_the_person(ward):
    await ward.target()
    await ward.change(address="東京都世田谷区見本町9-9")
    await ward.pushed(1)
    entries = [
        json.loads(one["body"])
        for one in await ward.world.rows("select body from log_entry where kind like 'pushes.%' order by idx")
    ]
    configured, sent = entries
    assert (configured["kind"], configured["facts"]["staff"], configured["facts"]["system"]) == (
        "pushes.configured",
        "s-1",
        "sky2",
    )
    assert (sent["kind"], sent["facts"]["system"], sent["facts"]["count"]) == ("pushes.sent", "sky2", 1)
    asked = {"staff": "k-1", "affair": "audit", "reason": "点検", "business_system": "kokuho", "addressee_number": "1"}
    looks = (await ward.post("/v1/access-log/search", asked, client="kansa")).body["items"]
    assert [one["system"] for one in looks] == ["sky2"]
    stored = await ward.world.rows("select sealed, state from push_delivery")
    assert [(one["sealed"], one["state"]) for one in stored] == [(None, "delivered")]

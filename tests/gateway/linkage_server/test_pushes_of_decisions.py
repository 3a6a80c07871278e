"""LS-1.5, LS-1.6: what staff decided of links and holds reaches the systems that hold the person, once and with its changes."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace

from tests.support.push_ward import NUMBER, TOWN, row, ward_of
from tests.support.review_world import SCOPES as REVIEW
from tests.support.review_world import Desk, individual


def pushed_lines(ward, system):
    """Every line of the files that a system was pushed, in order."""
    files = [said.with_name(json.loads(said.read_text())["file"]) for said in ward.file(system)]
    return [line for file in files for line in csv.DictReader(io.StringIO(file.read_text("utf-8")))]


async def test_what_is_decided_reaches_every_system_that_holds_the_person_and_that_of_who_decided(world):
    """Two numbers become one and are two again; kokuho's staff decide."""
    await world.register("kokuho-care", system="kokuho", scopes=REVIEW)
    async with ward_of(world) as ward:
        await ward.load(row())
        await ward.load(row("81"), client="sky2")
        desk = Desk(world=SimpleNamespace(linkage=world), caller=ward.caller)
        desk.tokens["juki"] = await ward.caller.token("kokuho-care")
        [other] = await desk.register("juki", row("3", individual_number=""))
        await ward.target()
        await ward.target(client="kokuho", kind="folder")
        number = f"{await ward.number_of():015d}"
        await desk.decided("links/merge", integrated_number=other["integrated_number"], other_integrated_number=number)
        (merged,) = await ward.pushed(1)
        await ward.quiet()
        first = pushed_lines(ward, "kokuho")
        split = {"integrated_number": number, "addressees": [{"business_system": "sky2", "addressee_number": "81"}]}
        await desk.decided("links/split", **split)
        await ward.quiet()
        apart = ward.receiver.taken[1:]
        second = pushed_lines(ward, "kokuho")[len(first) :]
        alone = f"{await ward.number_of('81', 'sky2'):015d}"
        said = {name: text for name, text in row().items() if name not in {"addressee_number", "individual_number"}}
        await desk.change("juki", 1, "birth", "held", **said)
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        await ward.quiet()
        let_through = pushed_lines(ward, "kokuho")[len(first) + len(second) :]
        [other] = await desk.register("juki", row("5", individual_number=""))
        await desk.change("juki", 1, "addressee_end", "replaced", replaced_by="5")
        [hold] = await desk.holds()
        await desk.decided("links/merge", integrated_number=other["integrated_number"], other_integrated_number=number)
        await ward.quiet()
        before, others = len(pushed_lines(ward, "kokuho")), len(ward.receiver.taken)
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        await ward.quiet()
        ended = pushed_lines(ward, "kokuho")[before:]
        assert len(ward.receiver.taken) == others
    assert ([one["kind"] for one in merged["changes"]], merged["addressee_numbers"]) == (["linked"], ["81"])
    assert merged["individual_number"] == NUMBER
    assert {one["addressee_number"] for one in first} == {"1", "3"}
    assert [[one["kind"] for one in push["changes"]] for push in apart] == [["registered"]]
    assert {push["integrated_number"] for push in apart} == {alone} != {number}
    assert {push["individual_number"] for push in apart} == {""}  # the other one's: what sky2 held of it goes
    assert {(one["individual_number"], one["individual_number_told"]) for one in second} == {(NUMBER, "1")}
    assert {(one["individual_number"], one["individual_number_told"]) for one in ended} == {("", "")}
    assert {one["changes"].partition(":")[0] for one in let_through} == {"birth"}  # its own, and no longer held
    assert {(one["addressee_number"], one["changes"].partition(":")[0]) for one in ended} == {
        ("3", "addressee_end"),
        ("5", "addressee_end"),
    }
    assert {(one["addressee_number"], one["changes"].partition(":")[0]) for one in second} == {
        ("1", "split"),
        ("3", "split"),
    }


async def test_what_was_written_before_a_freeze_does_not_leave_after_the_thaw(world):
    """It was tried and not taken; the person is frozen, changes, and is released: the push that comes is another one, of then."""
    await world.register("kokuho-care", system="kokuho", scopes=REVIEW)
    async with ward_of(world, push_attempts=50) as ward:
        await ward.load(row())
        await ward.load(row("81"), client="sky2")
        desk = Desk(world=SimpleNamespace(linkage=world), caller=ward.caller)
        desk.tokens["juki"] = await ward.caller.token("kokuho-care")
        number = f"{await ward.number_of():015d}"
        await ward.target()
        ward.receiver.statuses = [500] * 50
        await desk.change("juki", 1, "address_change", "written", address=f"{TOWN}4")
        await ward.until(lambda: ward.receiver.got, "the first attempt")
        await desk.propose("links/freeze", integrated_number=number)
        await desk.change("juki", 1, "address_change", "later", address=f"{TOWN}5")
        tried, ward.receiver.statuses = {one["delivery"] for one in ward.receiver.got}, []
        await desk.decided("links/release", integrated_number=number)
        await ward.pushed(1)
        await ward.quiet()
        assert tried.isdisjoint({one["delivery"] for one in ward.receiver.taken})
        assert {one["items"]["address"] for one in ward.receiver.taken} == {f"{TOWN}5"}
        told = [change["kind"] for one in ward.receiver.taken for change in one["changes"]]
        assert told == ["address_change", "address_change"]


async def test_what_was_written_before_a_held_row_went_to_another_person_does_not_leave_after_it(world):
    """sky2 holds one person by two numbers; a push about both is tried and not taken, then a row of one of them is linked to who it is."""
    await world.register("kokuho-care", system="kokuho", scopes=REVIEW)
    other = {"individual_number": individual(9), "name": "架空 次郎", "kana": "カクウ ジロウ", "sex": "1"}
    async with ward_of(world, push_attempts=50) as ward:
        await ward.load(row())
        await ward.load(row("81"), row("82"), client="sky2")
        desk = Desk(world=SimpleNamespace(linkage=world), caller=ward.caller)
        desk.tokens["juki"] = await ward.caller.token("kokuho-care")
        right = await desk.number("juki", row("9", **other))
        await ward.target()
        ward.receiver.statuses = [500] * 50
        await desk.change("juki", 1, "address_change", "written", address=f"{TOWN}4")
        await ward.until(lambda: ward.receiver.got, "the first attempt")
        [held] = await desk.register("sky2", row("82", **other))
        assert held["outcome"] == "held"
        [hold] = await desk.holds()
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link", integrated_number=right)
        tried, ward.receiver.statuses = {one["delivery"] for one in ward.receiver.got}, []
        await ward.quiet()
        taken = {(*one["addressee_numbers"], one["items"]["name"]) for one in ward.receiver.taken}
    assert taken == {("81", row()["name"]), ("82", other["name"])}
    assert tried.isdisjoint({one["delivery"] for one in ward.receiver.taken})

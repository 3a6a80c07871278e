"""LS-1.2, LS-1.3: what a business system sends about somebody goes on counting, once, whatever is decided about links in between."""

from __future__ import annotations

import pytest

from tests.support.change_files import day
from tests.support.review_world import Desk, individual, row, until

DAY_S = 86_400
MOVED = "架空県他所市一丁目１番"
APPLIED_DEATH = ("death", "applied", None)


async def linked(desk: Desk) -> str:
    """One person of both systems."""
    number = await desk.number("juki", row(1, individual_number=individual(1)))
    assert await desk.number("kokuho", row(77, individual_number=individual(1))) == number
    return number


async def apart(desk: Desk, number: str, **more: object) -> str:
    """The person to whom what kokuho holds is split off."""
    addressees = [{"business_system": "kokuho", "addressee_number": "77"}]
    await desk.decided("links/split", integrated_number=number, addressees=addressees, **more)
    return await desk.person_of("kokuho", 77)


async def nothing_waits(reviewed_alone) -> None:
    left = await until(lambda: reviewed_alone.linkage.rows("select 1 from waiting_change"), lambda rows: not rows)
    assert not left


@pytest.mark.parametrize("decision", ["split", "merge"])
@pytest.mark.parametrize(("kind", "said"), [("death", {}), ("address_change", {"address": MOVED})])
async def test_a_change_to_come_counts_on_its_day_for_whom_the_addressee_number_means_by_then(
    reviewed_alone, decision, kind, said
):
    to_come = ("kokuho", 77, kind, "e1"), {"effective_on": day(2), **said}
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        if decision == "split":
            number = await linked(desk)
            assert (await desk.change(*to_come[0], **to_come[1]))["outcome"] == "waiting"
            right = await apart(desk, number)
        else:
            number, right = await desk.number("kokuho", row(77)), await desk.number("juki", row(1))
            assert (await desk.change(*to_come[0], **to_come[1]))["outcome"] == "waiting"
            await desk.decided("links/merge", integrated_number=number, other_integrated_number=right)
        again = await desk.change(*to_come[0], **to_come[1])
        assert (again["outcome"], again["reason"]) == ("waiting", "already_known")
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await nothing_waits(reviewed_alone)
        found = await desk.searched(right)
        assert found["state"] == "dead" if kind == "death" else found["address"] == MOVED
        if decision == "split":
            other = await desk.searched(number)
            assert (other["state"], other["address"]) == ("living", row(1)["address"])
        again = await desk.change(*to_come[0], **to_come[1])
        assert (again["outcome"], again["reason"]) == ("unchanged", "already_known")


async def test_a_number_to_come_goes_along_and_one_that_was_told_stays(reviewed_alone):
    """What cannot be put for anybody would hold up every change to come of the agency."""
    told, to_come = individual(2), individual(3)
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await linked(desk)
        await desk.change("kokuho", 77, "individual_number_change", "n1", individual_number=told)
        await desk.change(
            "kokuho", 77, "individual_number_change", "n2", effective_on=day(2), individual_number=to_come
        )
        right = await apart(desk, number)
        assert (await desk.searched(number))["individual_number"] == told
        assert "individual_number" not in await desk.searched(right)
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await nothing_waits(reviewed_alone)
        assert (await desk.searched(right))["individual_number"] == to_come
        assert (await desk.searched(number))["individual_number"] == told


async def test_the_history_of_who_is_left_tells_nothing_that_was_split_off(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await linked(desk)
        await desk.change("juki", 1, "address_change", "e0", address="架空県転居市一丁目１番")
        await desk.change("kokuho", 77, "address_change", "e1", address=MOVED)
        await desk.change("kokuho", 77, "individual_number_change", "n1", individual_number=individual(5))
        await apart(desk, number, individual_number_goes=True)
        left, gone = await desk.history("juki", 1), await desk.history("kokuho", 77)
    assert not [one for one in left if one.get("address") == MOVED or "individual_number" in one], left
    assert [(one["kind"], one["status"], "address" in one) for one in left] == [
        ("address_change", "applied", True),
        ("address_change", "moved", False),
        ("individual_number_change", "moved", False),
        ("split", "applied", False),
    ]
    assert {one["status"] for one in gone} == {"applied"}
    assert [one["address"] for one in gone if "address" in one] == [MOVED]
    assert individual(5) in [one.get("individual_number") for one in gone]


async def test_a_day_before_the_one_who_lives_on_was_registered_is_told_as_before_the_merges(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)

        async def on_each_day() -> list[dict]:
            found = [await desk.as_of("kokuho", 77, day(on)) for on in (-301, -250, -100)]
            return [{name: text for name, text in one.items() if name != "integrated_number"} for one in found]

        said = {name: text for name, text in row(77).items() if name != "addressee_number"}
        await desk.change(
            "kokuho", 77, "move_in", "m1", effective_on=day(-300), individual_number=individual(7), **said
        )
        await desk.change("kokuho", 77, "address_change", "e1", effective_on=day(-200), address=MOVED)
        await desk.change("kokuho", 77, "address_change", "e2", address=row(1)["address"])
        first = await on_each_day()
        assert [one.get("address") for one in first] == [None, row(77)["address"], MOVED]
        assert first[2]["individual_number"] == individual(7)
        two, one, last = (
            await desk.person_of("kokuho", 77),
            await desk.number("juki", row(1)),
            await desk.number("juki", row(2)),
        )
        await desk.decided("links/merge", integrated_number=two, other_integrated_number=one)
        assert await on_each_day() == first
        await desk.decided("links/merge", integrated_number=one, other_integrated_number=last)
        assert await on_each_day() == first
        assert not (await desk.as_of("juki", 1, day(-100)))["known"]
        late = {"effective_on": day(-150), "address": "架空県転居市一丁目１番"}
        await desk.change("kokuho", 77, "address_change", "e3", **late)
        assert [one.get("address") for one in await on_each_day()] == [None, row(77)["address"], late["address"]]
        await apart(desk, last)
        assert not (await desk.as_of("juki", 2, day(-100)))["known"]


async def test_a_change_of_before_a_split_is_taken_back_after_it_and_one_to_come_before_its_day(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await linked(desk)
        assert (await desk.change("kokuho", 77, "address_change", "e1", address=MOVED))["outcome"] == "applied"
        assert (await desk.change("kokuho", 77, "death", "e2", effective_on=day(2)))["outcome"] == "waiting"
        right = await apart(desk, number)
        assert (await desk.searched(right))["address"] == MOVED
        for nth in (1, 2):
            taken_back = await desk.change("kokuho", 77, "cancellation", f"c{nth}", cancels=f"e{nth}")
            assert (taken_back["outcome"], taken_back["reason"]) == ("applied", None), taken_back
        assert (await desk.searched(right))["address"] == row(1)["address"]
        other = await desk.change("kokuho", 77, "death", "e1", effective_on=day(2))
        assert (other["outcome"], other["reason"]) == ("rejected", "event_id_reused")
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        await nothing_waits(reviewed_alone)
        assert (await Desk(world=reviewed_alone, caller=caller).searched(right))["state"] == "living"


async def test_a_change_goes_along_through_two_splits_and_a_merge(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await linked(desk)
        sent = ("kokuho", 77, "address_change", "e1")
        await desk.change(*sent, effective_on=day(2), address=MOVED)
        right = await apart(desk, number)
        await desk.decided("links/merge", integrated_number=right, other_integrated_number=number)
        again = await apart(desk, number, other_integrated_number=right)
        assert again == right
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await nothing_waits(reviewed_alone)
        assert (await desk.searched(right))["address"] == MOVED
        assert (await desk.searched(number))["address"] == row(1)["address"]
        assert (await desk.change(*sent, effective_on=day(2), address=MOVED))["outcome"] == "unchanged"


async def test_a_number_and_an_addressee_number_that_were_replaced_since_a_merge_go_back_with_their_person(
    reviewed_alone,
):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        other = await desk.number("juki", row(1, individual_number=individual(1)))
        one = await desk.number("kokuho", row(77, individual_number=individual(2)))
        await desk.decided("links/merge", integrated_number=one, other_integrated_number=other)
        split = {"integrated_number": other, "other_integrated_number": one, "individual_number_goes": True}
        back = split | {"addressees": [{"business_system": "kokuho", "addressee_number": "78"}]}
        await desk.change("kokuho", 77, "address_change", "a", address=MOVED)
        await desk.change("kokuho", 77, "addressee_end", "r", replaced_by="78")
        has_one = await desk.say("links/split", **back)
        assert (has_one.status, has_one.body["reason"]) == (409, "has_individual_number")
        told = await desk.change("kokuho", 78, "individual_number_change", "n", individual_number=individual(3))
        assert told["outcome"] == "applied"
        proposed = await desk.propose("links/split", **back)
        await desk.approve(proposed)
        await desk.ended(proposed)
        assert [pair["addressee_number"] for pair in proposed["addressees"]] == ["77", "78"]
        assert [await desk.person_of("kokuho", nth) for nth in (77, 78)] == [one, one]
        found = [await desk.searched(number) for number in (other, one)]
        formers = await reviewed_alone.linkage.rows("select integrated_number from former_individual_number")
    assert [(each["individual_number"], each["address"]) for each in found] == [
        (individual(1), row(1)["address"]),
        (individual(3), MOVED),
    ]
    assert [f"{former['integrated_number']:015d}" for former in formers] == [one]


async def number_went_on(desk: Desk) -> str:
    """Somebody of both systems who has a new number since; another person was decided to have the one of before."""
    other = await desk.number("juki", row(5, name="別人　太郎"))
    told = await desk.change("juki", 5, "individual_number_change", "n2", individual_number=individual(1))
    assert (told["outcome"], told["reason"]) == ("held", "individual_number_former")
    [hold] = await desk.holds()
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    return other


async def test_a_number_that_would_come_back_and_is_somebody_elses_by_now_is_said_when_a_split_is_proposed_and_approved(
    reviewed_alone,
):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await linked(desk)
        await desk.change("kokuho", 77, "individual_number_change", "n1", individual_number=individual(2))
        addressees = [{"business_system": "kokuho", "addressee_number": "77"}]
        split = {"integrated_number": number, "addressees": addressees, "individual_number_goes": True}
        decision = await desk.propose("links/split", **split)
        other = await number_went_on(desk)
        edits = {"decision_id": decision["decision_id"], "version": 1}
        for refused in (await desk.approve(decision), await desk.say("links/split", **split, edits=edits)):
            assert (refused.status, refused.body["reason"]) == (409, "individual_number_taken")
        assert not (await desk.person(number))["frozen"]
        found = [await desk.searched(one) for one in (number, other)]
        assert [one["individual_number"] for one in found] == [individual(2), individual(1)]
        assert await desk.person_of("kokuho", 77) == number


async def test_a_number_that_is_somebody_elses_once_the_copies_are_gone_voids_the_split_and_nothing_hangs(
    reviewed_ward,
):
    split = {"addressees": [{"business_system": "kokuho", "addressee_number": "77"}], "individual_number_goes": True}
    async with reviewed_ward.standing(), reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        split["integrated_number"] = number = await linked(desk)
        await desk.change("kokuho", 77, "individual_number_change", "n1", individual_number=individual(2))
        await desk.file("kokuho", 77, "r1")
        await desk.copies_when({"kokuho/r1": number})
    async with reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        decision = await desk.propose("links/split", **split)
        assert (await desk.approve(decision)).body["state"] == "withdrawing"
        await number_went_on(desk)
    async with reviewed_ward.standing(), reviewed_ward.served() as caller:
        desk = Desk(world=reviewed_ward, caller=caller)
        assert (await desk.ended(decision, state="voided"))["void_because"] == "individual_number_taken"
        assert await desk.person_of("kokuho", 77) == number


async def test_a_change_that_waited_and_is_held_on_its_day_counts_once_it_is_approved(reviewed_alone):
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await linked(desk)
        await desk.change("kokuho", 77, "address_change", "e1", effective_on=day(2), address=MOVED)
        await desk.change("juki", 1, "death", "d1")
        right = await apart(desk, number)
        await desk.change("kokuho", 77, "death", "d2")
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await nothing_waits(reviewed_alone)
        [hold] = await desk.holds()
        assert hold["reason"] == "event_after_death"
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        assert (await desk.searched(right))["address"] == MOVED


async def held_on_its_day(reviewed_alone, caller) -> tuple[Desk, str, dict]:
    """A change that waited and is held: the desk, whose it was when it came, and the hold."""
    desk = Desk(world=reviewed_alone, caller=caller)
    await nothing_waits(reviewed_alone)
    [hold] = await desk.holds()
    return desk, f"{(await reviewed_alone.linkage.rows('select integrated_number from person'))[0][0]:015d}", hold


def shown(event: dict) -> tuple[str, str, str | None]:
    return event["kind"], event["status"], event.get("address")


async def to_be_held(reviewed_alone) -> None:
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        await linked(desk)
        await desk.change("kokuho", 77, "address_change", "e1", effective_on=day(2), address=MOVED)
        await desk.change("juki", 1, "death", "d1")


@pytest.mark.parametrize("taken_back", [False, True])
async def test_a_held_change_follows_its_addressee_number_through_splits_and_merges(reviewed_alone, taken_back):
    await to_be_held(reviewed_alone)
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk, number, hold = await held_on_its_day(reviewed_alone, caller)
        assert [shown(one) for one in await desk.history("juki", 1)] == [
            ("address_change", "held", None),
            APPLIED_DEATH,
        ]
        assert ("address_change", "held", MOVED) in [shown(one) for one in await desk.history("kokuho", 77)]
        right = await apart(desk, number)
        assert ("address_change", "moved", None) in [shown(one) for one in await desk.history("juki", 1)]
        assert ("address_change", "held", MOVED) in [shown(one) for one in await desk.history("kokuho", 77)]
        await desk.decided("links/merge", integrated_number=right, other_integrated_number=number)
        assert await apart(desk, number, other_integrated_number=right) == right
        again = await desk.change("kokuho", 77, "address_change", "e1", effective_on=day(2), address=MOVED)
        assert (again["outcome"], again["reason"]) == ("unchanged", "already_known")
        if taken_back:
            gone = await desk.change("kokuho", 77, "cancellation", "c1", cancels="e1")
            assert (gone["outcome"], gone["reason"]) == ("applied", None)
        else:
            await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
        assert await desk.holds() == []
        address = row(1)["address"]
        assert (await desk.searched(right))["address"] == (address if taken_back else MOVED)
        assert (await desk.searched(number))["address"] == address


async def test_a_held_change_that_was_left_behind_before_the_update_is_void_and_can_be_refused(reviewed_alone):
    await to_be_held(reviewed_alone)
    async with reviewed_alone.linkage.served(clock_offset_s=3 * DAY_S) as caller:
        desk, _, hold = await held_on_its_day(reviewed_alone, caller)
        other = await desk.number("juki", row(5))
        moved = "update addressee set integrated_number = $1 where business_system_id = 'kokuho'"
        await reviewed_alone.linkage.rows(moved, int(other))
        decision = await desk.propose("holds/decide", hold_id=hold["hold_id"], action="link")
        await desk.approve(decision)
        assert (await desk.ended(decision, state="voided"))["void_because"] == "change_refused"
        await desk.decided("holds/decide", hold_id=hold["hold_id"], action="refuse")
        assert await desk.holds() == []


@pytest.mark.parametrize(
    ("told_by", "survivor"),
    [("individual_number_change", individual(9)), ("individual_number_change", ""), ("move_in", "")],
)
async def test_a_number_that_is_taken_back_after_a_merge_leads_nowhere_and_the_one_before_to_who_lives_on(
    reviewed_alone, survivor, told_by
):
    first = individual(1) if told_by == "individual_number_change" else ""
    said = {name: text for name, text in row(77).items() if name != "addressee_number"} if not first else {}
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        number = await desk.number("kokuho", row(77, individual_number=first))
        await desk.change("kokuho", 77, told_by, "n1", individual_number=individual(2), **said)
        right = await desk.number("juki", row(1, individual_number=survivor))
        await desk.decided("links/merge", integrated_number=number, other_integrated_number=right)
        assert (await desk.number("juki", row(2, individual_number=individual(2)))) == right
        taken_back = await desk.change("kokuho", 77, "cancellation", "c1", cancels="n1")
        assert (taken_back["outcome"], taken_back["reason"]) == ("applied", None), taken_back
        again = await desk.change("kokuho", 77, "cancellation", "c1", cancels="n1")
        assert (again["outcome"], again["reason"]) == ("unchanged", "already_known")
        [anew] = await desk.register("juki", row(3, individual_number=individual(2), name="別人　太郎"))
        assert anew["outcome"] == "issued"
        if survivor:
            [before] = await desk.register("juki", row(4, individual_number=first))
            assert (before["outcome"], before.get("integrated_number")) == ("linked", right), before
        assert (await desk.searched(right)).get("individual_number", "") == survivor


@pytest.mark.parametrize("decided", [False, True])
async def test_whoever_lives_on_takes_the_number_of_whom_they_were_merged_with(reviewed_alone, decided):
    """Told by a change, or with a held row that is linked."""
    async with reviewed_alone.linkage.served() as caller:
        desk = Desk(world=reviewed_alone, caller=caller)
        right = await desk.number("juki", row(1, individual_number=individual(1)))
        old = await desk.number("kokuho", row(77, individual_number=individual(2)))
        await desk.decided("links/merge", integrated_number=old, other_integrated_number=right)
        if decided:
            await desk.register("juki", row(3, individual_number=individual(2), name="別人　太郎"))
            [hold] = await desk.holds()
            link = {"hold_id": hold["hold_id"], "action": "link"}
            await desk.decided("holds/decide", **link, individual_number_goes=True)
        else:
            told = await desk.change("juki", 1, "individual_number_change", "n1", individual_number=individual(2))
            assert (told["outcome"], told["reason"]) == ("applied", None), told
        assert (await desk.searched(right))["individual_number"] == individual(2)
        formers = await reviewed_alone.linkage.rows("select integrated_number from former_individual_number")
        assert sorted(one[0] for one in formers) == sorted([int(old), int(right)])
        assert (await desk.person(old))["individual_number_index"] is None
        assert await desk.number("juki", row(4, individual_number=individual(2))) == right
        on = await desk.change("juki", 1, "individual_number_change", "n2", individual_number=individual(3))
        assert on["outcome"] == "applied"
        [before] = await desk.register("juki", row(5, individual_number=individual(2)))
        assert (before["outcome"], before["reason"]) == ("held", "individual_number_former")

"""LS-1.3, SC-18: a disagreement is held, shown beside what is held, proposed by one member of staff and approved by another."""

from __future__ import annotations

import pytest

from tests.support.review_world import CARE, Desk, individual, row

NUMBER = individual(1)


@pytest.fixture
async def desk(reviewed_ward):
    async with reviewed_ward.served() as caller:
        yield Desk(world=reviewed_ward, caller=caller)


async def held(desk: Desk, **changes: str) -> dict:
    """Somebody of juki, and a row of kokuho with the same 個人番号 that says something else: the hold."""
    await desk.number("juki", row(1, individual_number=NUMBER))
    [result] = await desk.register("kokuho", row(77, individual_number=NUMBER, **changes))
    assert result["outcome"] == "held"
    [found] = await desk.holds()
    return found


OTHER_NAME = {"name": "架空　葉子", "kana": "カクウ　ヨウコ"}


async def test_a_listed_hold_holds_nobodys_data(desk):
    found = await held(desk, **OTHER_NAME)
    assert found["reason"] == "four_items_differ"
    assert sorted(found["differing"]) == ["kana", "name"]
    assert not {"架空　葉子", "架空　花子", "77", NUMBER} & {str(value) for value in found.values()}


async def test_a_hold_is_shown_beside_what_is_held_and_the_look_is_on_record(desk):
    found = await held(desk, name="架空　葉子", kana="ｶｸｳ ﾊﾅｺ")
    answer = await desk.say("holds/show", hold_id=found["hold_id"])
    assert answer.status == 200, answer
    sent, [beside] = answer.body["sent"], answer.body["held"]
    assert (sent["name"], sent["individual_number"]) == ("架空　葉子", NUMBER)
    assert (beside["name"], beside["has_the_individual_number"]) == ("架空　花子", True)
    assert beside["differing"] == ["name"]
    assert beside["folds"] == {"kana": ["half_width_kana", "spaces"]}
    [seen] = await desk.world.linkage.rows("select body from log_entry where kind = 'persons.seen'")
    assert b'"look":"hold"' in seen["body"]
    assert NUMBER.encode() not in seen["body"]


async def test_a_linked_row_is_that_person(desk):
    found = await held(desk, **OTHER_NAME)
    person = await desk.person_of("juki", 1)
    ended = await desk.decided("holds/decide", hold_id=found["hold_id"], action="link")
    assert ended["integrated_number"] == person
    assert await desk.person_of("kokuho", 77) == person
    assert await desk.holds() == []
    entries = await desk.reviewed(ended)
    assert [entry["facts"]["step"] for entry in entries] == ["propose", "approve", "record"]
    assert [entry["facts"]["staff"] for entry in entries] == ["a.sato", "b.mori", ""]
    assert len({entry["facts"]["content"] for entry in entries}) == 1


async def test_what_a_linked_row_says_counts_only_when_that_was_decided(desk):
    found = await held(desk, **OTHER_NAME)
    decision = await desk.decided("holds/decide", hold_id=found["hold_id"], action="link", items_go=True)
    [again] = await desk.register("kokuho", row(77, individual_number=NUMBER, **OTHER_NAME))
    assert again["outcome"] == "unchanged"
    assert again["integrated_number"] == decision["integrated_number"]


async def test_somebody_else_gets_a_number_of_their_own_without_the_individual_number(desk):
    found = await held(desk, **OTHER_NAME)
    await desk.decided("holds/decide", hold_id=found["hold_id"], action="keep_as_new")
    person = await desk.person_of("kokuho", 77)
    assert person != await desk.person_of("juki", 1)
    assert (await desk.person(person))["individual_number_index"] is None


async def test_a_number_that_somebody_has_does_not_go_to_another(desk):
    found = await held(desk, **OTHER_NAME)
    answer = await desk.say("holds/decide", hold_id=found["hold_id"], action="keep_as_new", individual_number_goes=True)
    assert (answer.status, answer.body["reason"]) == (409, "individual_number_taken")


async def test_a_refused_row_registers_nobody_and_stays_refused(desk):
    found = await held(desk, **OTHER_NAME)
    decision = await desk.decided("holds/decide", hold_id=found["hold_id"], action="refuse")
    rows = await desk.world.linkage.rows("select 1 from addressee where addressee_number = '77'")
    assert rows == []
    again = await desk.say("holds/decide", hold_id=found["hold_id"], action="link")
    assert (again.status, again.body["reason"]) == (409, "hold_decided")
    assert decision["state"] == "done"


async def test_another_number_of_an_addressee_is_taken_over_when_that_was_decided(desk):
    person = await desk.number("kokuho", row(77, individual_number=NUMBER))
    [result] = await desk.register("kokuho", row(77, individual_number=individual(2)))
    assert (result["outcome"], result["reason"]) == ("held", "individual_number_differs")
    [found] = await desk.holds()
    await desk.decided("holds/decide", hold_id=found["hold_id"], action="link", individual_number_goes=True)
    [again] = await desk.register("kokuho", row(77, individual_number=individual(2)))
    assert (again["outcome"], again["integrated_number"]) == ("unchanged", person)


async def renumbered(desk: Desk) -> str:
    """Somebody of juki who had NUMBER and has another one now."""
    person = await desk.number("juki", row(1, individual_number=NUMBER))
    done = await desk.change("juki", 1, "individual_number_change", individual_number=individual(2))
    assert done["outcome"] == "applied"
    return person


async def number_of(desk: Desk, person: str) -> str:
    [found] = (await desk.say("persons/search", integrated_number=person)).body["items"]
    return found["individual_number"]


async def test_who_comes_with_a_number_that_somebody_had_is_that_person_when_two_have_decided_so(desk):
    person = await renumbered(desk)
    sent = row(77, individual_number=NUMBER, address="架空県見本市試験町９丁目")
    [result] = await desk.register("kokuho", sent)
    assert (result["outcome"], result["reason"]) == ("held", "individual_number_former")
    came = {name: text for name, text in row(78, individual_number=NUMBER).items() if name != "addressee_number"}
    moved = await desk.change("kokuho", 78, "move_in", **came)
    assert (moved["outcome"], moved["reason"]) == ("held", "individual_number_former")
    for found in await desk.holds(reason="individual_number_former"):
        [beside] = (await desk.say("holds/show", hold_id=found["hold_id"])).body["held"]
        assert (beside["integrated_number"], beside["had_the_individual_number"]) == (person, True)
        assert (beside["has_the_individual_number"], beside["has_the_addressee_number"]) == (False, False)
        await desk.decided("holds/decide", hold_id=found["hold_id"], action="link")
    assert [await desk.person_of("kokuho", nth) for nth in (77, 78)] == [person, person]
    assert await number_of(desk, person) == individual(2)


async def test_a_number_that_comes_back_to_its_former_holder_is_a_hold_when_somebody_has_it(desk):
    person = await renumbered(desk)
    await desk.register("kokuho", row(77, individual_number=NUMBER, **OTHER_NAME))
    [found] = await desk.holds()
    await desk.decided("holds/decide", hold_id=found["hold_id"], action="keep_as_new", individual_number_goes=True)
    assert await number_of(desk, await desk.person_of("kokuho", 77)) == NUMBER
    back = await desk.change("juki", 1, "cancellation", cancels="event-individual_number_change")
    assert (back["outcome"], back["reason"]) == ("held", "individual_number_taken")
    assert await number_of(desk, person) == individual(2)
    [result] = await desk.register("juki", row(78, individual_number=NUMBER, **OTHER_NAME))
    assert result["outcome"] == "linked"


@pytest.mark.parametrize("staff", ["a.sato", "A.Sato"])
async def test_nobody_approves_their_own(desk, staff):
    found = await held(desk, **OTHER_NAME)
    decision = await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    answer = await desk.approve(decision, staff=staff)
    assert (answer.status, answer.body["reason"]) == (409, "own_proposal")
    [stored] = await desk.world.linkage.rows("select state, approved_by from review_decision")
    assert dict(stored) == {"state": "proposed", "approved_by": None}


async def test_the_database_refuses_one_person_for_two(desk):
    found = await held(desk, **OTHER_NAME)
    await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    with pytest.raises(Exception, match="review_decision_two_people"):
        await desk.world.linkage.rows(
            "update review_decision set state = 'approved', approved_by = 'A.SATO', approved_at = now(), approval = sha256('x') returning 1"
        )


@pytest.mark.parametrize(
    "written",
    [
        "state = 'approved', approved_by = 'b.mori', approved_at = now(), approval = sha256('x')",
        "kind = 'hold_link', state = 'approved', approved_by = 'b.mori', approved_at = now(), approval = sha256('x')",
    ],
)
async def test_whoever_writes_to_the_database_alone_decides_nothing(desk, written):
    found = await held(desk, **OTHER_NAME)
    decision = await desk.propose("holds/decide", hold_id=found["hold_id"], action="keep_as_new")
    await desk.world.linkage.rows(f"update review_decision set {written} returning 1")
    ended = await desk.ended(decision, state="voided")
    assert ended["void_because"] == "content_changed"
    assert await desk.world.linkage.rows("select 1 from addressee where addressee_number = '77'") == []


async def test_an_edit_is_another_proposal_and_the_editor_does_not_approve_it(desk):
    found = await held(desk, **OTHER_NAME)
    first = await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    edits = {"decision_id": first["decision_id"], "version": 1}
    edited = await desk.propose("holds/decide", staff="b.mori", hold_id=found["hold_id"], action="refuse", edits=edits)
    assert (edited["decision_id"], edited["version"], edited["kind"]) == (first["decision_id"], 2, "hold_refuse")
    stale = await desk.approve(first, staff="c.abe")
    assert (stale.status, stale.body["reason"]) == (409, "content_changed")
    own = await desk.approve(edited, staff="b.mori")
    assert (own.status, own.body["reason"]) == (409, "own_proposal")
    assert (await desk.approve(edited, staff="a.sato")).status == 200
    await desk.ended(edited)
    steps = [entry["facts"]["step"] for entry in await desk.reviewed(edited)]
    assert steps == ["propose", "edit", "approve", "record"]


async def test_an_old_version_cannot_be_edited(desk):
    found = await held(desk, **OTHER_NAME)
    first = await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    edits = {"decision_id": first["decision_id"], "version": 1}
    await desk.propose("holds/decide", hold_id=found["hold_id"], action="refuse", edits=edits)
    answer = await desk.say("holds/decide", hold_id=found["hold_id"], action="link", edits=edits)
    assert (answer.status, answer.body["reason"]) == (409, "content_changed")


async def test_only_one_decision_about_a_hold_is_open(desk):
    found = await held(desk, **OTHER_NAME)
    first = await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    again = await desk.say("holds/decide", hold_id=found["hold_id"], action="refuse")
    assert (again.status, again.body["reason"]) == (409, "decision_open")
    assert first["decision_id"] in again.body["detail"]
    rejected = await desk.say("holds/reject", staff="b.mori", decision_id=first["decision_id"])
    assert (rejected.status, rejected.body["state"]) == (200, "rejected")
    await desk.propose("holds/decide", hold_id=found["hold_id"], action="refuse")


async def test_only_who_proposed_withdraws(desk):
    found = await held(desk, **OTHER_NAME)
    first = await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    other = await desk.say("holds/withdraw", staff="b.mori", decision_id=first["decision_id"])
    assert (other.status, other.body["reason"]) == (404, "decision_unknown")
    own = await desk.say("holds/withdraw", decision_id=first["decision_id"])
    assert own.body["state"] == "withdrawn"


async def test_a_change_of_the_person_between_proposal_and_approval_is_looked_at_again(desk):
    found = await held(desk, **OTHER_NAME)
    decision = await desk.propose("holds/decide", hold_id=found["hold_id"], action="link")
    await desk.say("links/freeze", integrated_number=decision["integrated_number"])
    answer = await desk.approve(decision)
    assert (answer.status, answer.body["reason"]) == (409, "person_frozen")


async def test_a_repeated_approval_changes_nothing_twice(desk):
    found = await held(desk, **OTHER_NAME)
    decision = await desk.propose("holds/decide", hold_id=found["hold_id"], action="keep_as_new")
    assert (await desk.approve(decision)).status == 200
    await desk.ended(decision)
    answer = await desk.approve(decision)
    assert (answer.status, answer.body["reason"]) == (409, "decided_already")
    [counted] = await desk.world.linkage.rows("select count(*) as people from person")
    assert counted["people"] == 2


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"affair": "insurance-notices"}, 403, "affair_not_of_system"),
        ({"affair": "resident-changes"}, 403, "affair_not_for_this"),
        ({"staff": "1234567890123"}, 400, "staff_malformed"),
        ({"reason": " "}, 400, "reason_malformed"),
        ({"affair": CARE, "more": 1}, 400, "malformed_body"),
    ],
)
async def test_who_does_not_look_after_numbers_sees_no_hold(desk, changes, status, reason):
    body = {"staff": "a.sato", "affair": CARE, "reason": "確認"} | changes
    answer = await desk.caller.post("/v1/holds", body, token=await desk.token("juki"))
    assert (answer.status, answer.body["reason"]) == (status, reason)


async def test_a_client_without_the_scope_decides_nothing(desk):
    await desk.world.linkage.register("reader", system="juki", scopes=("holds:read", "integrated-numbers:read"))
    token = await desk.caller.token("reader")
    body = {"staff": "a.sato", "affair": CARE, "reason": "確認"}
    assert (await desk.caller.post("/v1/holds", body, token=token)).status == 200
    answer = await desk.caller.post("/v1/holds/decide", body | {"hold_id": "H1-1", "action": "link"}, token=token)
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")


async def test_holds_come_page_by_page(desk):
    await desk.number("juki", row(1, individual_number=NUMBER))
    rows = [row(100 + nth, individual_number=NUMBER, name=f"架空　{name}") for nth, name in enumerate("一二三四五")]
    await desk.register("kokuho", *rows)
    first = await desk.say("holds", limit=3)
    second = await desk.say("holds", limit=3, after=first.body["after"])
    assert (len(first.body["items"]), len(second.body["items"]), first.body["open"]) == (3, 2, 5)
    assert second.body["after"] is None
    ids = [one["hold_id"] for one in (*first.body["items"], *second.body["items"])]
    assert len(set(ids)) == 5


async def held_change(desk: Desk) -> dict:
    """Somebody wants the number of somebody else: the hold of that change."""
    await desk.number("juki", row(1, individual_number=NUMBER))
    await desk.number("kokuho", row(77, individual_number=individual(2), **OTHER_NAME, birth_date="1990-09-09"))
    await desk.change("kokuho", 77, "death", effective_on="2026-04-01")
    result = await desk.change("kokuho", 77, "address_change", address="架空県他所市")
    assert (result["outcome"], result["reason"]) == ("held", "event_after_death")
    [hold] = await desk.holds()
    assert hold["subject"] == "change"
    return hold


async def test_a_held_change_that_is_approved_is_taken_once(desk):
    hold = await held_change(desk)
    shown = await desk.say("holds/show", hold_id=hold["hold_id"])
    assert shown.body["sent"]["address"] == "架空県他所市"
    assert shown.body["sent"]["kind"] == "address_change"
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="link")
    found = await desk.say("persons/search", integrated_number=await desk.person_of("kokuho", 77))
    assert found.body["items"][0]["address"] == "架空県他所市"
    assert (await desk.change("kokuho", 77, "address_change", address="架空県他所市"))["outcome"] == "unchanged"


async def test_a_held_change_that_is_refused_stays_refused_when_it_comes_again(desk):
    hold = await held_change(desk)
    keep = await desk.say("holds/decide", hold_id=hold["hold_id"], action="keep_as_new")
    assert (keep.status, keep.body["reason"]) == (409, "not_for_this_hold")
    await desk.decided("holds/decide", hold_id=hold["hold_id"], action="refuse")
    result = await desk.change("kokuho", 77, "address_change", address="架空県他所市")
    assert (result["outcome"], result["reason"]) == ("rejected", "refused_in_review")

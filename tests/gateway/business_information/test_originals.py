"""LS-2.2, LS-2.3: what a line makes of a record, against a small model; and what a comparison says of a page. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codebook.replica_content import replica_digest
from gateway.linkage_server.business_information.originals import Change, Ledger, LineReason, Told, said_by
from gateway.linkage_server.business_information.records import Record
from gateway.linkage_server.business_information.results import final
from gateway.linkage_server.business_information.runs.differences import Difference, compare, differing_fields
from storage.reference_data import read_layouts
from tests.gateway.linkage_server.test_business_information import account_layout

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LAYOUTS = read_layouts()
OPERATIONS = st.tuples(
    st.sampled_from(["register", "change", "delete"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["1", "2", "3"]),
    st.one_of(st.none(), st.integers(0, 5)),
)


def line(operation, record_id, value, day):
    layout = account_layout()
    [name] = layout.data_sets
    record = Record(
        addressee_number="1",
        record_id=record_id,
        data_set=name,
        operation=operation,
        items={"口座番号": {"value": value}},
        changed_at=None if day is None else NOW + timedelta(days=day),
    )
    return record, said_by(record, "kokuho", LAYOUTS, layout)


def told(day):
    at = None if day is None else NOW + timedelta(days=day)
    return Told(at or NOW, at)


def empty():
    return Ledger(held={}, children={}, addressees={"1": None}, layouts=LAYOUTS)


@given(st.lists(OPERATIONS, max_size=12))
def test_ls_2_2_lines_in_any_order_do_what_a_small_model_does(operations):
    ledger = empty()
    model: dict[str, tuple[str | None, datetime, int]] = {}
    for operation, name, value, day in operations:
        found = ledger.take(*line(operation, name, value, day), told=told(day), by="t")
        held = model.get(name)
        wanted = None if operation == "delete" else value
        lives = held is not None and held[0] is not None
        if (operation != "register" and held is None) or (operation == "change" and not lives):
            assert found is LineReason.RECORD_UNKNOWN
        elif operation == "register" and lives and held[0] != value:
            assert found is LineReason.RECORD_ID_REUSED
        elif held is not None and held[0] == wanted:
            assert isinstance(found, Change)
            assert not found.new_edition
        elif held is not None and day is not None and NOW + timedelta(days=day) < held[1]:
            assert isinstance(found, Change)
            assert found.reason is LineReason.OVERTAKEN
        else:
            assert isinstance(found, Change)
            assert found.new_edition
            at = NOW if day is None else NOW + timedelta(days=day)
            model[name] = (wanted, max(at, held[1]) if held else at, held[2] + 1 if held else 1)
    kept = {
        name.removeprefix("kokuho/"): (
            None if one.said.deleted else one.said.items["口座番号"]["value"],
            one.changed_at,
            one.edition,
        )
        for name, one in ledger.held.items()
    }
    assert kept == model


@given(st.lists(OPERATIONS, max_size=12))
def test_ls_2_2_the_same_lines_again_make_no_new_edition_of_the_last_state(operations):
    ledger = empty()
    for operation in operations:
        ledger.take(*line(*operation), told=told(operation[-1]), by="t")
    before = dict(ledger.held)
    for name, one in before.items():
        record, _ = line("delete" if one.said.deleted else "register", name, "1", None)
        assert ledger.take(record, one.said, told=told(None), by="t") == Change(original=one, new_edition=False)
    assert ledger.held == before


def row(name, transfer="registered", **changes):
    return {
        "record_id": name,
        "transfer": transfer,
        "revision": 9,
        "layout_version": "0001",
        "replica_revision": 3,
        "public_to": None,
    } | changes


def copy(name, **changes):
    return {"record_id": name, "version": "0001", "revision": 3, "digest": b"d" * 32} | changes


def test_is_6_each_kind_of_difference_is_told_from_the_others():
    originals = [row(name) for name in "abcdef"] + [
        row("g", "withheld"),
        row("h", "due"),
        row("i", "deleted"),
        row("j", "refused"),
    ]
    copies = {
        "a": copy("a"),
        "c": copy("c", digest=b"x" * 32),
        "d": copy("d", version="0002"),
        "e": copy("e", revision=2),
        "f": copy("f", unreadable=True),
        "g": copy("g"),
        "h": copy("h", digest=b"x" * 32),
        "z": copy("z"),
    }
    page = compare(originals, copies, lambda _: b"d" * 32, date(2026, 4, 1))
    assert {one.record_id: one.difference for one in page.found} == {
        "b": Difference.MISSING,
        "c": Difference.DIFFERING,
        "d": Difference.WRONG_VERSION,
        "e": Difference.WRONG_VERSION,
        "f": Difference.UNREADABLE,
        "g": Difference.SURPLUS,
        "j": Difference.REFUSED,
        "z": Difference.SURPLUS,
    }
    assert (page.equal, page.under_way) == (2, 1)


def test_is_6_a_copy_whose_last_public_day_is_over_is_not_missed():
    originals = [row("over", public_to=date(2026, 3, 31)), row("today", public_to=date(2026, 4, 1))]
    page = compare(originals, {}, lambda _: b"d" * 32, date(2026, 4, 1))
    assert [(one.record_id, one.difference) for one in page.found] == [("today", Difference.MISSING)]


def test_is_6_fields_that_differ_are_named_without_their_values():
    expected = {"version": "0001", "public_from": date(2026, 4, 1), "items": {"a": {"value": "1"}, "b": {"value": "2"}}}
    other = {"version": "0002", "public_from": "2026-04-01", "items": {"a": {"value": "9"}, "c": {"value": "3"}}}
    assert differing_fields(expected, other) == ["version", "items.a", "items.b", "items.c"]


SAID = {
    "integrated_number": "000000000000001",
    "information": "i",
    "data_set": "d",
    "version": "0001",
    "public_from": date(2026, 4, 1),
    "public_to": None,
    "auto_response": "allowed",
    "delegator": None,
    "items": {"a": {"value": "1"}, "b": {"null_reason": "Unknown"}},
}


def test_sc_17_a_digest_tells_every_field_apart_and_not_the_order_of_items():
    changes = [
        {"integrated_number": "000000000000002"},
        {"information": "x"},
        {"data_set": "x"},
        {"version": "0002"},
        {"public_from": date(2026, 4, 2)},
        {"public_to": date(2026, 4, 2)},
        {"auto_response": "barred"},
        {"delegator": "tokyo"},
        {"items": {"a": {"value": "1"}}},
        {"items": {"a": {"null_reason": "1"}, "b": {"null_reason": "Unknown"}}},
    ]
    key = bytes(32)
    found = {replica_digest(key, **(SAID | change)) for change in [{}, *changes]}
    assert len(found) == len(changes) + 1
    turned = {"items": dict(reversed(SAID["items"].items()))}
    assert replica_digest(key, **(SAID | turned)) == replica_digest(key, **SAID)
    assert replica_digest(bytes([1] * 32), **SAID) != replica_digest(key, **SAID)


def test_a_line_is_final_when_its_record_is_answered():
    taken = [3, "taken", None, None, "kokuho/r", 2, "register"]
    state = {"edition": 2, "transfer": "due", "reason": None, "item": None}
    assert final(taken, state) is None
    assert final(taken, state | {"transfer": "registered"}) == [3, "registered", None, None]
    assert final(taken, state | {"transfer": "refused", "reason": "missing", "item": "額"}) == [
        3,
        "rejected",
        "missing",
        "額",
    ]
    assert final(taken, state | {"transfer": "awaiting_first"}) == [3, "kept", "awaits_first_transfer", None]
    assert final(taken, state | {"edition": 3}) == [3, "superseded", None, None]
    assert final([4, "rejected", "missing", "額", None, None, None], None) == [4, "rejected", "missing", "額"]

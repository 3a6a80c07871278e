"""The page of a trace: what it takes from exports, what it proves and what it refuses to vouch for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from evidence.entry import EXCHANGE_KINDS, EntryKind, other_entry
from evidence.export import LogParty
from evidence.findings import FindingName
from gateway.list_sources import open_library
from gateway.staff_calls import NotReachableError, RefusedError
from gateway.tracing import gathering, lanes
from gateway.tracing.decisions import decisions
from gateway.tracing.lanes import Exchange, Lane
from gateway.tracing.page import Trace, page
from gateway.tracing.proofs import MASK
from gateway.tracing.sources import Source, Sources
from permission_lists.decide import Party
from permission_lists.parties import resolve
from permission_lists.versions import in_force
from storage.reference_data import read_party_rules
from tests.evidence.exchanges import SEALED, START, Log, Three, step

K = EntryKind
NUMBER = f"Q{0:026}"
ROW = {"basis": "meirei-2024", "item": "48", "information": "医療保険給付関係情報"}
LIBRARY = open_library(None)
DIGEST = in_force(LIBRARY.heads, START.date()).content_digest


def world() -> Three:
    return Three(
        inquirer=Log("suginami", LogParty.INTERMEDIATE),
        core=Log("network", LogParty.CORE),
        provider=Log("setagaya", LogParty.INTERMEDIATE),
    )


def parties(**changes):
    return {"inquirer": "suginami", "provider": "setagaya", "list_digest": DIGEST, **ROW, **changes}


def provided(**changes) -> Three:
    three = world()
    three.permitted(0, **parties(**changes))
    said = parties(disposition="provided", sealed_digest=SEALED, **changes)
    three.outcome(0, K.PROVISION_MADE, K.INQUIRY_ANSWERED, **said)
    return three


def known(**changes: Party | None) -> dict[str, Party]:
    """The parties that are known; `changes`: somebody else, or nobody."""
    names = {"suginami": "杉並区長", "setagaya": "世田谷区長", "koiki": "東京都後期高齢者医療広域連合"}
    found = {
        one: Party(name=name, kinds=resolve(read_party_rules(), name).kinds) for one, name in names.items()
    } | changes
    return {one: party for one, party in found.items() if party is not None}


def source(log: Log, lines=None) -> Source:
    """A party that answers from its log; `lines`: another export than that of the log."""

    def search(number: str):
        entries = [json.loads(body) for body in log.bodies]
        places = [one | {"log": {"year": 2026, "index": index}} for index, one in enumerate(entries)]
        return [one for one in places if one.get("inquiry_number") == number]

    def download(year: int, target) -> int:
        data = b"".join(log.lines() if lines is None else lines)
        target.write_bytes(data)
        return len(data)

    return Source(agency=log.agency, server=log.party, search=search, download=download)


def trace(tmp_path, *logs: Source, keys: list[Log], unread=(), parties=None) -> Trace:
    asked = Sources(logs=logs, unread_desks=unread)
    found = gathering.search(asked, NUMBER)
    downloaded = gathering.download(found, asked, tmp_path)
    evidence = gathering.gather(found, downloaded, {log.origin: log.vkey for log in keys})
    return Trace(
        evidence=evidence,
        exchange=Exchange.of(evidence.records),
        decisions=decisions(evidence.records, LIBRARY, known() if parties is None else parties),
        names={"suginami": "杉並区長", "setagaya": "世田谷区長"},
        unread_desks=unread,
        made=datetime(2026, 11, 29, tzinfo=UTC),
    )


def of(tmp_path, three: Three, *, parties=None, **changes) -> Trace:
    logs = [three.inquirer, three.core, three.provider]
    return trace(tmp_path, *(source(log, changes.get(log.agency)) for log in logs), keys=logs, parties=parties)


def facts(shown: Trace) -> dict[str, tuple[str, str]]:
    """What stands at the top of the page: name → tone and value."""
    found = re.findall(r'<div class="(\w*)"><dt>([^<]*)</dt><dd>([^<]*)</dd></div>', page(shown))
    return {name: (tone, value) for tone, name, value in found}


class Elements(HTMLParser):
    """Every tag with its attributes, and every text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):
        self.texts.append(data)


# --- what is taken and proved


def test_every_step_of_the_inquiry_is_taken_from_the_exports_and_proved(tmp_path):
    three = provided()
    three.permitted(1, **parties())
    shown = of(tmp_path, three)
    assert [one.kind for one in shown.evidence.records] == [
        "inquiry.registered", "permit.issued", "inquiry.permitted", "provision.made", "provision.relayed", "inquiry.answered",
    ]  # fmt: skip
    assert all(one.proof.verified for one in shown.evidence.records)
    assert {shown.exchange.lane(one) for one in shown.evidence.records} == {Lane.INQUIRER, Lane.CORE, Lane.PROVIDER}
    assert shown.evidence.findings == ()
    assert shown.evidence.disagreements == ()
    assert shown.evidence.differing == ()
    assert shown.sound
    assert (facts(shown)["当事者の突合 agreement"], facts(shown)["書き出しの検証 exports"]) == (
        ("good", "一致"),
        ("good", "3 本、異常なし"),
    )


@pytest.mark.parametrize("before", [0, 1, 255, 256, 700])
def test_an_entry_anywhere_in_a_tree_is_proved(tmp_path, before):
    three = world()
    for place in range(before):
        filler = other_entry(id=f"filler-{place}", at=START, kind=K.CODES_ISSUED, facts={"count": place})
        three.provider.append(filler, checkpoint=False)
    three.permitted(0, **parties())
    said = parties(disposition="provided", sealed_digest=SEALED)
    three.outcome(0, K.PROVISION_MADE, K.INQUIRY_ANSWERED, **said)
    shown = of(tmp_path, three)
    made = next(one for one in shown.evidence.records if one.kind == K.PROVISION_MADE)
    assert (made.index, made.proof.verified) == (before, True)


def test_an_entry_that_was_changed_is_named_and_not_proved(tmp_path):
    three = provided()
    bent = [
        line.replace(b"provided", b"proveded") if line.startswith(b'{"entry"') else line
        for line in three.provider.lines()
    ]
    shown = of(tmp_path, three, setagaya=bent)
    assert FindingName.BIT_FLIP in {one.name for one in shown.evidence.findings}
    assert [one.proof.verified for one in shown.evidence.records if one.agency == "setagaya"] == [False]
    assert shown.evidence.differing == ("setagaya",)
    assert "証明がない" in page(shown)


def test_a_log_under_a_key_that_is_not_registered_proves_nothing(tmp_path):
    three = provided()
    logs = [source(log) for log in (three.inquirer, three.core, three.provider)]
    stranger = Log("setagaya", LogParty.INTERMEDIATE)
    shown = trace(tmp_path, *logs, keys=[three.inquirer, three.core])
    assert [one.proof.verified for one in shown.evidence.records if one.agency == stranger.agency] == [False]
    assert FindingName.UNKNOWN_LOG in {one.name for one in shown.evidence.findings}


def test_parties_that_recorded_different_things_are_told(tmp_path):
    three = provided()
    three.provider = Log("setagaya", LogParty.INTERMEDIATE)
    three.provider.append(step(K.PROVISION_MADE, 0, 3, **parties(disposition="provided", sealed_digest="0" * 64)))
    shown = of(tmp_path, three)
    assert {one.field for one in shown.evidence.disagreements} == {"sealed_digest"}
    assert "当事者の記録が一致しない" in page(shown)


def test_a_desk_that_refused_is_a_party_and_the_others_saw_nothing(tmp_path):
    desk = Log("suginami", LogParty.LINKAGE)
    refusal = step(K.INQUIRY_REFUSED, 0, 0, **parties(list_digest=None, reason="addressee_unknown"))
    desk.append(refusal | {"subject": None})
    three = world()
    three.permitted(1, **parties())
    three.provider.append(other_entry(id="codes-1", at=START, kind=K.CODES_BOUND, facts={"count": 3}))
    logs = [desk, three.inquirer, three.core, three.provider]
    shown = trace(tmp_path, *(source(log) for log in logs), keys=logs)
    assert [(one.source, one.proof.verified) for one in shown.evidence.records] == [("suginami/linkage", True)]
    assert shown.decisions == []
    text = page(shown)
    assert "addressee_unknown" in text
    assert text.count("it never came here") == 3
    assert "団体内統合宛名番号 ●●●●" not in text, "nobody was found, so no number was seen"


def test_a_party_that_is_away_is_said_to_be_unread_and_not_to_have_seen_nothing(tmp_path):
    three = provided()

    def away(*_) -> int:
        raise NotReachableError

    gone = Source(agency="setagaya", server=LogParty.INTERMEDIATE, search=away, download=away)
    shown = trace(tmp_path, source(three.inquirer), source(three.core), gone, keys=[three.inquirer, three.core])
    assert shown.evidence.unread == {"setagaya": "not_reachable"}
    text = page(shown)
    assert "記録を読めなかった" in text
    assert "it never came here" not in text
    assert_not_vouched_for(shown, "2 本、異常なし、未確認 1 本 not read")


def assert_not_vouched_for(shown: Trace, exports: str) -> None:
    """Whoever was not read was not compared either: nothing of it is green, and the command does not end with 0."""
    assert facts(shown)["当事者の突合 agreement"] == ("", "未確認 not compared")
    assert facts(shown)["書き出しの検証 exports"] == ("", exports)
    assert not shown.sound


def test_a_desk_whose_log_nobody_may_read_is_said_so(tmp_path):
    three = provided()
    logs = [three.inquirer, three.core, three.provider]
    shown = trace(tmp_path, *map(source, logs), keys=logs, unread=("suginami",))
    assert "no client here may read that desk" in page(shown)
    assert 'class="lanes-3"' in page(shown)
    assert_not_vouched_for(shown, "3 本、異常なし、未確認 1 本 not read")


def test_a_provider_s_desk_that_is_away_is_missed_by_nobody(tmp_path):
    """A linkage server's log holds what its own agency asked, not what it was asked."""
    three = provided()

    def away(*_) -> int:
        raise NotReachableError

    desks = [
        Source(agency=one, server=LogParty.LINKAGE, search=away, download=away) for one in ("setagaya", "suginami")
    ]
    logs = [three.inquirer, three.core, three.provider]
    assert trace(tmp_path, *map(source, logs), desks[0], keys=logs).sound
    assert trace(tmp_path, *map(source, logs), *desks, keys=logs).evidence.unread == {
        "suginami/linkage": "not_reachable"
    }


def test_commitments_to_the_person_are_not_on_the_page(tmp_path):
    subject = "5b" * 32
    shown = of(tmp_path, provided(subject=subject))
    assert {one.entry["subject"] for one in shown.evidence.records} == {MASK}
    assert subject not in page(shown)


def test_who_looked_at_what_was_held_is_on_the_time_line_and_who_searched_the_log_is_not(tmp_path):
    three = provided()
    for place, function in enumerate(("held.view", "log.search")):
        facts = {"function": function, "inquiry_number": NUMBER}
        three.provider.append(
            other_entry(id=f"staff-{place}", at=START, kind=K.STAFF_OPERATED, actor="staff-1", facts=facts)
        )
    shown = of(tmp_path, three)
    operated = [one.entry["facts"]["function"] for one in shown.evidence.records if one.kind == K.STAFF_OPERATED]
    assert operated == ["held.view"]
    assert "操作: held.view" in page(shown)


# --- logs that go on growing


def behind(three: Three, first: int) -> list[bytes]:
    """The provider's export as it was when it had its first entries only."""
    log = Log(three.provider.agency, three.provider.party, bodies=three.provider.bodies[:first])
    log.notes = three.provider.notes[:first]
    return log.lines()


@pytest.mark.parametrize(("grows", "found"), [(True, set()), (False, {FindingName.DROPPED_TAIL})])
def test_a_log_that_grew_while_others_were_exported_is_not_one_that_lost_its_tail(tmp_path, grows, found):
    three = provided()
    short = behind(three, 1)
    three.provider.append(other_entry(id="codes-1", at=START, kind=K.CODES_BOUND, facts={"count": 1}))
    three.core.hold(three.provider)
    exports = [short, three.provider.lines() if grows else short]

    def download(year: int, target) -> int:
        data = b"".join(exports[0] if len(exports) == 1 else exports.pop(0))
        return target.write_bytes(data)

    slow = replace(source(three.provider), download=download)
    logs = [three.inquirer, three.core, three.provider]
    shown = trace(tmp_path, source(three.inquirer), source(three.core), slow, keys=logs)
    assert {one.name for one in shown.evidence.findings} == found


@pytest.mark.parametrize(("later", "found"), [(0, set()), (120, {FindingName.MISSING_RECORD})])
def test_an_inquiry_that_is_under_way_misses_nothing_yet(tmp_path, later, found):
    three = world()
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 0, 0, **parties()))
    three.core.append(step(K.PERMIT_ISSUED, 0, 1, **parties()))
    at = START + timedelta(seconds=2 + later)
    three.provider.append(other_entry(id="codes-1", at=at, kind=K.CODES_BOUND, facts={"count": 1}))
    assert {one.name for one in of(tmp_path, three).evidence.disagreements} == found


def test_an_entry_beside_others_whose_bodies_are_gone_is_still_proved(tmp_path):
    three = provided()
    gone = [replace(one, body=None) if one.index == 0 else one for one in three.inquirer.entries()]
    shown = of(tmp_path, three, suginami=three.inquirer.lines(entries=gone))
    kept = [one for one in shown.evidence.records if one.agency == "suginami"]
    assert [(one.index, one.proof.verified) for one in kept] == [(1, True), (2, True)]


def test_a_log_that_may_not_be_read_is_said_so_and_the_others_are_shown(tmp_path):
    three = provided()

    def closed(*_) -> int:
        raise RefusedError("text", "client_suspended")

    shut = Source(agency="suginami", server=LogParty.LINKAGE, search=closed, download=closed)
    logs = [three.inquirer, three.core, three.provider]
    shown = trace(tmp_path, shut, *map(source, logs), keys=logs)
    assert len(shown.evidence.records) == 6
    assert "refused: client_suspended" in page(shown)
    with pytest.raises(RefusedError):
        gathering.search(Sources(logs=(shut,), unread_desks=()), NUMBER)


# --- what was decided


def test_each_party_s_decision_is_made_again_on_the_row_that_it_names(tmp_path):
    shown = of(tmp_path, provided())
    assert [(one.record.kind, one.permitted, one.confirmed) for one in shown.decisions] == [
        ("inquiry.registered", True, True), ("permit.issued", True, True), ("provision.made", True, True),
    ]  # fmt: skip
    assert {one.row.id for one in shown.decisions if one.row} == {"meirei-2024:48"}
    text = page(shown)
    assert "第48項" in text or "48の項" in text
    assert "市町村長" in text


def test_a_permission_that_the_list_does_not_give_is_shown_as_such(tmp_path):
    shown = of(tmp_path, provided(information="戸籍関係情報"))
    assert {one.confirmed for one in shown.decisions} == {False}
    assert not shown.sound
    text = page(shown)
    assert "許可と記録、再判定は逆" in text
    assert "リストが言うこと" in text


def test_a_list_that_is_not_here_is_not_guessed(tmp_path):
    shown = of(tmp_path, provided(list_digest="0" * 64))
    assert {(one.version, one.confirmed, one.row) for one in shown.decisions} == {(None, None, None)}
    assert "手元にない版" in page(shown)


def test_a_refusal_for_another_reason_than_the_list_is_not_put_on_the_list(tmp_path):
    three = world()
    three.permitted(0, **parties())
    refused = parties(disposition="refused", reason="item_not_in_layout")
    three.outcome(0, K.PROVISION_REFUSED, K.INQUIRY_REFUSED_BY_PROVIDER, **refused)
    shown = of(tmp_path, three)
    assert [one.confirmed for one in shown.decisions] == [True, True, None]
    assert "リスト以外の理由で断った" in page(shown)


def test_every_kind_of_step_has_its_words():
    assert {kind.value for kind in EXCHANGE_KINDS} <= set(lanes.words()["kinds"])
    assert set(lanes.words()["lanes"]) == {lane.value for lane in Lane}

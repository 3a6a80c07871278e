"""Checks of the evidence logs: what they prove of the measures, and what they would have to say and do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from evidence.export import LogParty
from gateway.assessing.installation import Installation
from gateway.assessing.logs import ASKED, Logs, Question
from gateway.assessing.verdicts import Result, judged
from gateway.intermediate_server.bars.states import WORKING, BarState
from gateway.intermediate_server.bars.told import SAID
from gateway.list_sources import Library
from gateway.tracing.decisions import JUDGING, UNASKED, Again, Unasked, asked_again
from gateway.tracing.parties import known_parties
from gateway.verify_command import MEANING
from permission_lists.decide import Party, Permitted, Reason
from permission_lists.versions import legal_day

_YEAR: Final = timedelta(days=365)
_MOST: Final = 20
_NOT_WORKING: Final = frozenset(BarState) - WORKING
_REFUSED_AS: Final = {"intermediate": LogParty.INTERMEDIATE, "linkage": LogParty.LINKAGE}


def logs_verified(logs: Logs) -> Result:
    """SC-6, IS-5: every log fits its signed roots and what others hold of it."""
    broken = [f"{one.export}: {MEANING[one.name]} ({one.name.value}){_where(one)}" for one in logs.report.findings]
    return judged(
        "logs_verified", broken, seen=f"{len(logs.report.logs)} 本のログ、{sum(one.entries for one in logs.report.logs):,} 件",
        looked=bool(logs.report.logs), unverified=logs.unread_logs,
    )  # fmt: skip


def parties_agree(logs: Logs) -> Result:
    """IS-5, PL-3: inquirer, core and provider say the same of every inquiry, and none is asked without a permit."""
    broken = [
        f"{one.inquiry_number}: {MEANING[one.name]} ({one.party} {one.field or ''})" for one in logs.agreement.findings
    ]
    compared = logs.agreement.compared
    return judged(
        "parties_agree", broken, seen=f"{compared:,} 件の照会を突合", looked=bool(compared), unverified=logs.unread_logs
    )


def _where(finding: Any) -> str:
    return "" if finding.entry is None else f" 記録 {finding.entry}"


def refusals_recorded(logs: Logs, refused: Mapping[tuple[str, str], Sequence[str]]) -> Result:
    """SC-6: each inquiry that a server's rows say was refused stands in its log as refused. `refused`: (agency, server) → numbers."""
    broken: list[str] = []
    missed: list[str] = []
    rows = 0
    by_log = {(agency, party): logs.said.get(name) for name, (agency, party) in logs.agencies.items()}
    for (agency, server), numbers in refused.items():
        said = by_log.get((agency, _REFUSED_AS[server]))
        if said is None:
            missed += [f"{agency}/{server}: {len(numbers)} 件の拒否を確かめるログがない"] if numbers else []
            continue
        rows += len(numbers)
        broken += [
            f"{agency}/{server}: {number} を拒んだ記録がない (refusal not on record)"
            for number in numbers
            if number not in said.refused
        ]
    recorded = sum(said.refusals for said in logs.said.values())
    return judged(
        "refusals_recorded",
        broken[:_MOST],
        seen=f"拒否の記録 {recorded:,} 件、行と突合 {rows} 件",
        looked=bool(recorded),
        unverified=[*missed, *logs.unread_logs],
    )


def staff_recorded(logs: Logs) -> Result:
    """SC-7, IS-9: every entry of staff's work says who, on which terminal, what, and why; log-ins are there."""
    broken = [f"{place} がない (left out)" for _, said in logs.of(LogParty.INTERMEDIATE) for place in said.unsaid]
    staff = sum(said.staff for _, said in logs.of(LogParty.INTERMEDIATE))
    entered = sum(said.log_ins for _, said in logs.of(LogParty.INTERMEDIATE))
    return judged(
        "staff_recorded",
        broken[:_MOST],
        seen=f"職員の操作 {staff:,} 件、ログイン {entered:,} 件",
        looked=bool(staff and entered),
        unverified=logs.unread_logs,
    )


def exchanges_named(logs: Logs) -> Result:
    """SC-7: every step of an exchange says who did it."""
    broken = [f"{place}: 誰がしたかの記載がない (no actor)" for said in logs.said.values() for place in said.anonymous]
    count = sum(said.exchanges for said in logs.said.values())
    return judged(
        "exchanges_named", broken[:_MOST], seen=f"情報提供等記録 {count:,} 件", looked=bool(count),
        unverified=logs.unread_logs,
    )  # fmt: skip


def sealed_under_permit(logs: Logs) -> Result:
    """SC-1, SC-5: nothing left a provider unsealed or without a permit."""
    broken = [
        f"{place}: 封か許可証の記載がない (unsealed or without a permit)"
        for said in logs.said.values()
        for place in said.unsealed
    ]
    count = sum(said.left for said in logs.said.values())
    return judged(
        "sealed_under_permit",
        broken[:_MOST],
        seen=f"提供 {count:,} 件",
        looked=bool(count),
        unverified=logs.unread_logs,
    )


def released_by_people(logs: Logs) -> Result:
    """SC-4: each release of a held provision was decided by a member of staff who was on record doing so."""
    broken: list[str] = []
    count = 0
    for _, said in logs.of(LogParty.INTERMEDIATE):
        count += len(said.released)
        broken += [
            f"{place}: 職員の判断の記録がない (no decision by staff)"
            for place, actor in said.released.items()
            if actor not in said.deciders
        ]
    return judged(
        "released_by_people", broken[:_MOST], seen=f"保留からの提供 {count:,} 件", looked=bool(count),
        unverified=logs.unread_logs,
    )  # fmt: skip


def analysed_within_a_year(logs: Logs, now: datetime) -> Result:
    """SC-12: each agency's access log was analysed within the last year; one that is younger than a year may still wait for its first time."""
    broken: list[str] = []
    waiting: list[str] = []
    done = 0
    for name, said in logs.of(LogParty.INTERMEDIATE):
        since = now - _YEAR
        if said.analysed_at and _instant(said.analysed_at) >= since:
            done += 1
        elif said.first_at and _instant(said.first_at) < since:
            broken.append(f"{name}: 一年以内の分析がない (last {said.analysed_at[:10] or '—'})")
        elif said.first_at:
            waiting.append(f"{name}: まだ分析していない。記録は {said.first_at[:10]} から (log younger than a year)")
    return judged(
        "analysed_within_a_year", broken, seen=f"一年以内に分析 {done} 機関", looked=bool(done),
        unverified=[*waiting, *logs.unread_logs],
    )  # fmt: skip


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def grants_recorded(logs: Logs, grants: Mapping[str, Sequence[Any]]) -> Result:
    """SC-11: each right that works was approved, as it stands, by the second person whom its row names, and the log says so; or it is one
    of as many as the founding document had, between its two founders.
    """
    broken: list[str] = []
    missed: list[str] = []
    count = 0
    for agency, rows in grants.items():
        said = logs.said.get(agency)
        if said is None:
            missed += [f"{agency}: ログを読めない"] if rows else []
            continue
        count += len(rows)
        founders = [set(str(one.get("founders", "")).split()) for one in said.founded]
        left = sum(int(one.get("grants", 0)) for one in said.founded)
        for row in rows:
            if (row["approved_by"], row["approved_digest"]) in said.approvals.get(row["grant_id"], set()):
                continue
            founding = {row["requested_by"], row["approved_by"]} in founders and row["approved_by"] != row["staff_id"]
            left -= founding
            if not founding or left < 0:
                broken.append(f"{agency}: 権限 {row['grant_id']} を二人目が承認した記録がない (no approval on record)")
    return judged(
        "grants_recorded", broken[:_MOST], seen=f"有効な権限 {count} 件", looked=bool(count), unverified=missed
    )


def bars_recorded(logs: Logs, bars: Mapping[str, Sequence[Any]]) -> Result:
    """SC-4, SC-20: each bar that works by the last entry of it has a row that works and says the same."""
    broken: list[str] = []
    missed: list[str] = []
    count = 0
    for agency, rows in bars.items():
        said = logs.said.get(agency)
        if said is None:
            missed += [f"{agency}: ログを読めない"] if rows else []
            continue
        there = {row["bar_id"]: row for row in rows}
        working = {bar: facts for bar, facts in said.bars.items() if facts.get("state") not in _NOT_WORKING}
        count += len(working)
        for bar, facts in working.items():
            row = there.get(bar)
            if row is None or any(row[name] != str(facts.get(name) or "") for name in SAID):
                how = "行がないか、効いていない (no row that works)" if row is None else "行が記録と違う (differs)"
                broken.append(f"{agency}: 制限 {bar} の{how}")
    return judged(
        "bars_recorded", broken[:_MOST], seen=f"効いている制限 {count} 件", looked=bool(count), unverified=missed
    )


def list_again(logs: Logs, library: Library, parties: Mapping[str, Party]) -> Result:
    """PL-2 to PL-4: the version of the list that each record names says today what the party decided then."""
    broken: list[str] = []
    unknown: list[str] = []
    questions = 0
    issued = {permit: hour for said in logs.said.values() for permit, hour in said.issued.items()}
    for said in logs.said.values():
        for question, place in said.asked.items():
            same = _same(question, issued, library, parties)
            questions += isinstance(same, bool)
            broken += (
                [f"{place}: 記録は{'許可' if JUDGING[question[1]] else '不許可'}、リストは逆 (the list says otherwise)"]
                if same is False
                else []
            )
            unknown += [f"{place}: {UNASKED[same]} ({same.value})"] if isinstance(same, Unasked) else []
    return judged(
        "list_again",
        broken[:_MOST],
        seen=f"{questions:,} とおりの判定",
        looked=bool(questions),
        unverified=[*unknown[:_MOST], *logs.unread_logs],
    )


def _same(
    question: Question, issued: Mapping[str, str], library: Library, parties: Mapping[str, Party]
) -> bool | Unasked | None:
    """None where the list was not the reason. Within an hour of midnight either day will do. `issued`: permit → the hour, by which its provider judges."""
    hour, *rest = question
    entry = dict(zip(ASKED, rest, strict=True))
    permitted = JUDGING[entry["kind"]]
    if not permitted and entry["reason"] not in set(Reason):
        return None
    if entry["permit_id"]:
        if entry["permit_id"] not in issued:
            return Unasked.PERMIT
        hour = issued[entry["permit_id"]]
    at = datetime.fromisoformat(f"{hour}:00:00+00:00")
    days = {legal_day(at), legal_day(at - timedelta(hours=1))}
    found = [asked_again({**entry, "basis": entry["basis"] or None}, day, library, parties) for day in days]
    answers = [isinstance(one.answer, Permitted) == permitted for one in found if isinstance(one, Again)]
    return any(answers) if answers else next(one for one in found if isinstance(one, Unasked))


def evidence(installation: Installation, logs: Logs, library: Library) -> list[Result]:
    """Every check that needs nothing but the logs."""
    return [
        logs_verified(logs),
        parties_agree(logs),
        staff_recorded(logs),
        exchanges_named(logs),
        sealed_under_permit(logs),
        released_by_people(logs),
        analysed_within_a_year(logs, installation.now),
        list_again(logs, library, known_parties(installation.data, installation.register)),
    ]

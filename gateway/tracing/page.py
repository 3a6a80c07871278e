"""The page of a trace: one inquiry on one time line, what each party saw, decided and recorded, and the proofs. One file, no script.

Everything that comes out of a log is text to be escaped (gateway.pages.templates); whoever wrote it may be dishonest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from evidence.entry import EntryKind
from gateway.pages import templates
from gateway.pages.templates import Html, joined
from gateway.tracing import lanes
from gateway.tracing.decisions import UNASKED, Decision
from gateway.tracing.gathering import NOT_REACHABLE, Evidence
from gateway.tracing.lanes import Exchange, Lane
from gateway.tracing.proofs import Recorded
from gateway.tracing.rows import row_sections
from gateway.verify_command import MEANING
from transport.clock import JST

_T: Final = templates.load("gateway.tracing")
_NOBODY: Final = frozenset({"auto"})
_PERSON_FOUND: Final = "person_found"
"""Beside kinds and reasons: a record of the party is about somebody whom it knows."""
_NOTHING: Final = Html("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a page is made of. `names`: agency id → its name; `unread_desks`: agencies whose desk's log nobody here may read."""

    evidence: Evidence
    exchange: Exchange
    decisions: Sequence[Decision]
    names: Mapping[str, str]
    unread_desks: Sequence[str]
    made: datetime

    def records(self, lane: Lane) -> list[Recorded]:
        return [one for one in self.evidence.records if self.exchange.lane(one) is lane]

    @property
    def marks(self) -> frozenset[str]:
        """Kinds and reasons that stand in the records."""
        reasons = {str(one.entry["reason"]) for one in self.evidence.records if one.entry.get("reason")}
        return frozenset(one.kind for one in self.evidence.records) | reasons

    @property
    def unread(self) -> int:
        """How many logs that may hold a part of the inquiry are not here, its inquirer's desk among them."""
        return len(self.evidence.unread) + (self.exchange.inquirer in self.unread_desks)

    @property
    def sound(self) -> bool:
        """Whether everything was read and proved, and nothing says otherwise: neither the logs of each other nor the list of a decision."""
        evidence = self.evidence
        wrong = (*evidence.findings, *evidence.disagreements, *evidence.differing)
        against = any(one.confirmed is False for one in self.decisions)
        return not (wrong or against or self.unread) and all(one.proof.verified for one in evidence.records)


def page(trace: Trace) -> Html:
    """The whole document."""
    exchange, ending = trace.exchange, lanes.ending(trace.marks)
    inquirer, provider = (_acting(trace, lane) for lane in (Lane.INQUIRER, Lane.PROVIDER))
    asking, asked = (_acting_english(trace, lane) for lane in (Lane.INQUIRER, Lane.PROVIDER))
    body = _T.fill(
        "body",
        headline=trace.evidence.number,
        lead=f"{inquirer}が{provider}に「{exchange.information}」を照会した記録です（{exchange.basis or '根拠の指定なし'}、{exchange.item} の項）。{ending.text}。",
        lead_english=f"{asking} asked {asked} for information under item {exchange.item}. {ending.english}",
        facts=joined(_facts(trace)),
        lanes=len(Lane) if Lane.DESK in _shown(trace) else len(Lane) - 1,
        heads=joined(_T.fill("head", lane=lane, title=_title(lane), agency=_acting(trace, lane)) for lane in _shown(trace)),
        events=joined(_event(trace, one) for one in trace.evidence.records),
        parties=joined(_party(trace, lane) for lane in _shown(trace)),
        rows=row_sections(_T, trace.decisions, lambda one: f"{_title(trace.exchange.lane(one))}"),
        logs=joined(_log(trace, one) for one in trace.evidence.logs),
        findings=joined(_T.fill("finding", text=text) for text in _findings(trace)),
        proofs=joined(_proof(trace, one) for one in trace.evidence.records),
        made=f"{trace.made.astimezone(JST):%Y-%m-%d %H:%M:%S} JST",
    )  # fmt: skip
    return templates.page(
        f"照会の追跡 {trace.evidence.number}", style=templates.read("gateway.tracing", "page.css"), body=body
    )


def _shown(trace: Trace) -> list[Lane]:
    """Every party; the desk only where its log was read."""
    read = any(one.party == "linkage" for one in trace.evidence.logs) or trace.records(Lane.DESK)
    return [lane for lane in Lane if lane is not Lane.DESK or read]


def _name(trace: Trace, agency: str) -> str:
    return trace.names.get(agency, agency)


def _acting(trace: Trace, lane: Lane) -> str:
    """The agency of a lane, and for whom it acts where that is another (委任)."""
    delegator = trace.exchange.delegator(lane)
    return _name(trace, trace.exchange.agency(lane)) + (f"（{_name(trace, delegator)}のため）" if delegator else "")


def _acting_english(trace: Trace, lane: Lane) -> str:
    delegator = trace.exchange.delegator(lane)
    return trace.exchange.agency(lane) + (f" (for {delegator})" if delegator else "")


def _title(lane: Lane) -> str:
    return str(lanes.words()["lanes"][lane.value]["title"])


def _chip(text: str, tone: str) -> Html:
    return _T.fill("chip", text=text, tone=tone)


# --- at the top


def _facts(trace: Trace) -> list[Html]:
    evidence = trace.evidence
    proved = sum(one.proof.verified for one in evidence.records)
    every = len(evidence.records)
    again = [one.confirmed for one in trace.decisions if one.confirmed is not None]
    disagree = evidence.disagreements
    whole = "" if trace.unread else "good"
    exports = f"{len(evidence.logs)} 本、異常なし" + (f"、未確認 {trace.unread} 本 not read" if trace.unread else "")
    return [
        _T.fill("fact", name="記録 entries", value=f"{every} 件", tone=""),
        _T.fill("fact", name="包含証明 proofs", value=f"{proved} / {every} 検証", tone="good" if proved == every else "bad"),
        _T.fill(
            "fact", name="書き出しの検証 exports",
            value=f"異常 {len(evidence.findings)} 件" if evidence.findings else exports,
            tone="bad" if evidence.findings else whole,
        ),
        _T.fill(
            "fact", name="当事者の突合 agreement",
            value=f"食い違い {len(disagree)} 件" if disagree else "未確認 not compared" if trace.unread else "一致",
            tone="bad" if disagree else whole,
        ),
        _T.fill(
            "fact", name="リストの再判定 list again",
            value="判定なし" if not again else "すべて同じ" if all(again) else f"違う {again.count(False)} 件",
            tone="" if not again else "good" if all(again) else "bad",
        ),
    ]  # fmt: skip


# --- time line


def _event(trace: Trace, one: Recorded) -> Html:
    lane = trace.exchange.lane(one)
    at = datetime.fromisoformat(one.at).astimezone(JST)
    first = datetime.fromisoformat(trace.evidence.records[0].at)
    since = (at - first).total_seconds()
    said = lanes.words()["kinds"].get(one.kind, {"title": one.kind, "english": "", "tone": ""})
    return _T.fill(
        "event",
        lane=lane,
        column=_shown(trace).index(lane) + 1,
        at=one.at,
        clock=f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
        since=f"{at:%Y-%m-%d}" if since == 0 else f"+{since:,.3f} s",
        who=f"{_title(lane)}　{_name(trace, one.agency)}",
        title=said["title"],
        english=said["english"],
        told=joined(_told(trace, one, said["tone"])),
        place=f"{one.year}/{one.index}",
        mark=_mark(one),
    )


def _told(trace: Trace, one: Recorded, tone: str) -> list[Html]:
    """Reason and result; who acted and which items, where they were not said before in this party's column."""
    entry = one.entry
    mine = trace.records(trace.exchange.lane(one))
    before = mine[: mine.index(one)]
    lines = [(tone, lanes.reason(entry["reason"]))] if entry.get("reason") else []
    if one.kind == EntryKind.PROVISION_RELAYED:
        said = str(entry.get("disposition"))
        lines.append(("soft", f"結果: {lanes.words()['dispositions'].get(said, said)}"))
    actor = entry.get("actor")
    if actor and actor not in _NOBODY | set(trace.names) and all(other.entry.get("actor") != actor for other in before):
        lines.append(("soft", f"職員: {actor}"))
    facts = entry.get("facts") or {}
    if facts.get("function"):
        lines.append(("soft", f"操作: {facts['function']}"))
    if entry.get("items") and not before:
        lines.append(("soft", f"項目: {'、'.join(map(str, entry['items']))}"))
    return [_T.fill("told", tone=tone, text=text) for tone, text in lines]


def _mark(one: Recorded) -> Html:
    return _chip("✓ 証明を検証", "good") if one.proof.verified else _chip("証明がない", "bad")


# --- parties


def _party(trace: Trace, lane: Lane) -> Html:
    said, records = lanes.words()["lanes"][lane.value], trace.records(lane)
    agency = trace.exchange.agency(lane)
    others = sorted({one.agency for one in records} - {agency})
    return _T.fill(
        "party",
        lane=lane,
        title=said["title"],
        english=said["english"],
        agency="、".join((_acting(trace, lane), *(_name(trace, one) for one in others))),
        content=joined(_content(trace, lane, records)),
    )


def _content(trace: Trace, lane: Lane, records: Sequence[Recorded]) -> list[Html]:
    said = lanes.words()["lanes"][lane.value]
    source = f"{trace.exchange.inquirer}/linkage" if lane is Lane.DESK else trace.exchange.agency(lane)
    why = trace.evidence.unread.get(source)
    if not records and why is not None:
        return [_T.fill("silent", text=_unread(why), english="")]
    if not records and lane is not Lane.DESK:
        return [_T.fill("silent", text=said["silent"], english=said["silent_english"])]
    marks = trace.marks | ({_PERSON_FOUND} if any(one.entry.get("subject") for one in records) else frozenset())
    parts = [
        _list("見たもの", "saw", "saw", [_sight(one) for one in lanes.sight(lane, "saw", marks)]),
        _list("見えないもの", "could not see", "blind", [_sight(one) for one in lanes.sight(lane, "blind", marks)]),
    ]  # fmt: skip
    decided = [_decided(one) for one in trace.decisions if trace.exchange.lane(one.record) is lane]
    if decided:
        parts.append(_list("決めたこと", "decided", "acts", decided))
    if records:
        parts.append(_list("記録したこと", "recorded", "acts", [_kept(one) for one in records]))
    else:
        parts.append(_T.fill("silent", text=said["silent"], english=said["silent_english"]))
    return parts


def _list(heading: str, english: str, kind: str, items: Sequence[Html]) -> Html:
    return _T.fill("party_list", heading=heading, english=english, kind=kind, items=joined(items))


def _sight(one: lanes.Said) -> Html:
    return _T.fill("sight", text=one.text, english=one.english)


def _decided(one: Decision) -> Html:
    version = UNASKED[one.unasked] if one.unasked else f"リスト第 {one.version.number} 版" if one.version else ""
    row = one.row.id if one.row else "行なし"
    if one.permitted:
        return _T.fill("decided", what=f"{row}（{version}）で許される", chip=_confirmed(one))
    told = one.explanation or lanes.reason(one.reason)
    where = f"{row}、{version}: " if one.by_the_list else ""
    return _T.fill("decided", what=f"{where}{told}", chip=_confirmed(one))


def _confirmed(one: Decision) -> Html:
    match one.confirmed:
        case True:
            return _chip("再判定も同じ", "good")
        case False:
            return _chip("再判定は違う", "bad")
    return _NOTHING


def _kept(one: Recorded) -> Html:
    said = lanes.words()["kinds"].get(one.kind, {"title": one.kind})
    return _T.fill("decided", what=f"{one.year} 年度の {one.index} 番: {said['title']}", chip=_mark(one))


def _unread(why: str) -> str:
    if why == NOT_REACHABLE:
        return "接続できず、記録を読めなかった (not reachable)"
    return f"記録を読むことを拒まれた (refused: {why})"


# --- verification


def _log(trace: Trace, log: Any) -> Html:
    bad = sum(one.export == log.export for one in trace.evidence.findings)
    anchored = "登録簿の鍵" if log.anchored else "鍵は自己申告"
    return _T.fill(
        "log",
        name=f"{_name(trace, log.agency)}（{log.party}）",
        origin=log.origin,
        entries=f"{log.entries:,}",
        roots=f"{log.roots:,} / {log.checkpoints:,}",
        peers=f"{log.peer_checkpoints:,}",
        result=_chip(f"異常 {bad} 件", "bad") if bad else _chip(f"異常なし、{anchored}", "good"),
    )


def _findings(trace: Trace) -> list[str]:
    evidence = trace.evidence
    found = [f"{one.export}: {MEANING[one.name]}（{one.name.value}）" for one in (*evidence.findings, *evidence.disagreements)]  # fmt: skip
    found += [f"{name}: 検索の答えと書き出しが食い違う (search and export differ)" for name in evidence.differing]
    found += [f"{name}: {_unread(why)}" for name, why in evidence.unread.items()]
    desk = trace.exchange.inquirer
    if desk in trace.unread_desks:
        found.append(
            f"{_name(trace, desk)}の受付の記録は読めない。log:read を持つクライアントがない (no client here may read that desk's log)"
        )
    return found


def _proof(trace: Trace, one: Recorded) -> Html:
    lane, proof = trace.exchange.lane(one), one.proof
    said = lanes.words()["kinds"].get(one.kind, {"title": one.kind})
    lines = [f"葉 leaf      {proof.leaf.hex()}"]
    lines += [f"隣 {height:>2}        {sibling.hex()}" for height, sibling in enumerate(proof.path, start=1)]
    if proof.tree is not None:
        lines += [f"根 root      {proof.tree.root.hex()}", f"位置 index   {one.index} / {proof.tree.size}"]
    lines += ["", proof.note or "この記録を含む署名されたチェックポイントがない / no signed checkpoint covers it"]
    return _T.fill(
        "proof",
        lane=lane,
        title=f"{said['title']} — {_name(trace, one.agency)}",
        place=f"{one.origin} {one.index}",
        mark=_mark(one),
        entry=json.dumps(one.entry, ensure_ascii=False, indent=1),
        path="\n".join(lines),
    )

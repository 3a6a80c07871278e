"""The page of an assessment. What was found broken may quote names out of logs and files: all of it is escaped text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.assessing.assess import Assessment
from gateway.assessing.measures import CHECKS, Assessed, Measure
from gateway.assessing.verdicts import Result, Verdict, worst
from gateway.pages import templates
from gateway.pages.templates import Html, joined
from transport.clock import JST

_T: Final = templates.load("gateway.assessing")
_WORDS: Final = {
    Verdict.KEPT: ("good", "守られている kept"),
    Verdict.BROKEN: ("bad", "破られている broken"),
    Verdict.UNVERIFIED: ("open", "未検証 unverified"),
}
_MARKS: Final = {Verdict.KEPT: "○", Verdict.BROKEN: "×", Verdict.UNVERIFIED: "△"}
_MOST: Final = 8


def page(found: Assessment) -> Html:
    """The whole document."""
    broken = found.count(Verdict.BROKEN)
    body = _T.fill(
        "body",
        headline=f"{broken} 件の措置が破られています" if broken else "破られている措置は見つかりませんでした",
        assessed=f"{found.now.astimezone(JST):%Y-%m-%d %H:%M} JST",
        facts=joined(_facts(found)),
        broken=_broken(found),
        measures=joined(_measure(one, said) for one, said in found.measures),
        checks=joined(_check(one) for one in found.results),
        requirements=joined(_requirement(one) for one in found.requirements),
    )
    return templates.page("評価書との合致の点検", style=templates.read("gateway.assessing", "page.css"), body=body)


def _facts(found: Assessment) -> list[Html]:
    facts = [
        _T.fill(
            "fact",
            tone=_WORDS[verdict][0] if found.count(verdict) else "",
            name=_WORDS[verdict][1],
            value=f"{found.count(verdict)} 件",
        )
        for verdict in (Verdict.KEPT, Verdict.BROKEN, Verdict.UNVERIFIED)
    ]
    return [
        *facts,
        _T.fill("fact", tone="", name="点検した日時 assessed", value=f"{found.now.astimezone(JST):%Y-%m-%d}"),
    ]


def _broken(found: Assessment) -> Html:
    """Links to the measures that are broken: what somebody looks for first, on top."""
    links = [
        _T.fill("link", id=one.id, words=one.words) for one, said in found.measures if said.verdict is Verdict.BROKEN
    ]
    return _T.fill("broken", links=joined(links)) if links else joined(())


def _chip(verdict: Verdict) -> Html:
    tone, text = _WORDS[verdict]
    return _T.fill("chip", tone=tone, text=text)


def _because(what: Sequence[str], tone: str) -> Html:
    lines = [_T.fill("because", tone=tone, text=one) for one in what[:_MOST]]
    if len(what) > _MOST:
        lines.append(_T.fill("because", tone=tone, text=f"ほか {len(what) - _MOST} 件"))
    return joined(lines)


def _measure(one: Measure, said: Assessed) -> Html:
    tone = _WORDS[said.verdict][0]
    checks = "、".join(dict.fromkeys(CHECKS[result.check] for result in said.results))
    goes = "　".join(part for part in (", ".join(one.requirements), checks) if part)
    return _T.fill(
        "measure", tone=tone, id=one.id, place=one.place, words=one.words, goes=goes, chip=_chip(said.verdict),
        because=_because(said.because, tone),
    )  # fmt: skip


def _check(one: Result) -> Html:
    tone = _WORDS[one.verdict][0]
    return _T.fill(
        "check", name=CHECKS[one.check], seen=one.seen, because=_because(one.what, tone), chip=_chip(one.verdict)
    )


def _requirement(one: Assessed) -> Html:
    def mark(kind: str) -> str:
        verdicts = [result.verdict for result in one.results if CHECKS[result.check].startswith(kind)]
        return _MARKS[worst(verdicts)] if verdicts else "－"

    return _T.fill(
        "requirement", id=one.id, words=one.words, configuration=mark("設定"), records=mark("記録"), tests=mark("試験"),
        chip=_chip(one.verdict),
    )  # fmt: skip

"""What an inquirer's server must do, step by step: the inquiries of a run, each met with one thing bent, and how each must end (IS-2).

Whoever answers can see what is asked, sent again, or presented. What the server believes of an answer shows in how it ends an inquiry: its
engineer hands those ends over, and without them such a step stays unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.jlis_mock.core.messages import InquiryAsk, PermitAsk

ANSWERED: Final = "answered"
_PERMIT: Final = "docs/architecture.md, Permit; PL-3"
_OUTCOME: Final = "docs/architecture.md, Outcome"
_REQUEST: Final = "docs/architecture.md, InquiryRequest; IF_SKI_90001"
_LATE: Final = "IF_SKI_90005, docs/openapi/intermediate.yaml"
_RESEND: Final = "docs/openapi/network.yaml, retry; IS-7"


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that holds in every inquiry of the run. `id` is stable; `cites`: where our documents say it."""

    id: str
    title: str
    cites: str


RULES: Final = (
    Rule(
        "own_certificate",
        "自機関の中間サーバーの証明書で呼ぶ / calls with its own intermediate certificate",
        "docs/architecture.md, Who may call what; SC-2",
    ),
    Rule(
        "network_certificate",
        "この CA の証明書を持たない相手とは話さない / talks to nobody without a certificate of this CA",
        "docs/architecture.md, Who may call what; SC-2, SC-21",
    ),
    Rule("request_form", "要求が正準形の JSON で、項目が文書どおり / a request in canonical form", _REQUEST),
    Rule("request_signature", "登録された鍵で署名する / signed by the registered key", f"{_REQUEST}; SC-1"),
    Rule("request_expiry", "期限が先にあり、長すぎない / an expiry to come, and not too late", _REQUEST),
    Rule("list_in_force", "効力のある照合リストを名指す / names the list in force", f"{_REQUEST}; PL-2"),
    Rule(
        "own_list",
        "リストが許さない照会を送らない / asks for nothing that the list does not permit",
        "DESIGN §4 step 1; PL-3",
    ),
    Rule(
        "own_assessment",
        "評価（28条）の済んでいない機関に、またその機関として照会しない / asks nobody, and as nobody, whose assessment duty is not met",
        "DESIGN §4 step 1; PL-6; 番号法第28条",
    ),
    Rule(
        "own_delegation",
        "登録のない委任で照会しない / asks in nobody's stead who has not delegated it",
        f"{_REQUEST}; IS-2",
    ),
    Rule("own_code", "自機関の符号を示す / shows a code of its own", f"{_REQUEST}; SC-9"),
    Rule("fresh_key", "照会ごとに新しい一回限りの鍵 / a fresh one-time key for each inquiry", f"{_REQUEST}; SC-1"),
    Rule(
        "same_bytes",
        "送り直しは同じバイト列 / what is sent again is sent in the same bytes",
        _RESEND,
    ),
    Rule(
        "presented_as_permitted",
        "許可証を、許可された要求と鍵で示す / presents a permit with the request and key it is for",
        f"{_PERMIT}; IF_SKI_90002",
    ),
)


@dataclass(slots=True, kw_only=True)
class Seen:
    """One inquiry as it was seen from the network: what was asked, the permit that was given, and what was presented."""

    number: str
    turn: Turn
    asked: list[PermitAsk] = field(default_factory=list)
    permit: str | None = None
    presented: list[InquiryAsk] = field(default_factory=list)
    late: list[dict[str, object]] = field(default_factory=list)
    """What it answered to the outcomes that came late, in order."""
    whole: bool = False
    """It asked for the whole layout: nothing goes beyond that."""
    taken_back: bool = False
    """It took its permit back before it presented it."""


Judged = str | None
"""None: done right; else what was seen instead, for the server's engineer."""
Judge = Callable[[Seen], Judged]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One inquiry of the run. `permit`, `answer`: how it is met; `look`: what must be seen of it; `ends`: whether it may end as answered (None: either)."""

    id: str
    title: str
    cites: str
    permit: str = "good"
    answer: str = "good"
    look: Judge = lambda _seen: None
    ends: bool | None = None


def _answered_once(seen: Seen) -> Judged:
    return None if seen.presented else "許可証を示さなかった / the permit was not presented"


def _asked_again(seen: Seen) -> Judged:
    return None if len(seen.asked) > 1 else "許可証を求め直さなかった / it did not ask for the permit again"


def _presented_again(seen: Seen) -> Judged:
    return None if len(seen.presented) > 1 else "照会を送り直さなかった / it did not present again"


def _not_presented(seen: Seen) -> Judged:
    return (
        "信じてはならない許可証で照会した / it presented a permit that it must not believe" if seen.presented else None
    )


def _given_up(seen: Seen) -> Judged:
    if seen.presented:
        return "許可されていない照会を送った / it inquired without a permit"
    return "拒まれた要求を送り直した / it asked again what was refused" if len(seen.asked) > 1 else None


def _late_received(seen: Seen) -> Judged:
    if not seen.late:
        return "後からの結果を届けられなかった / no late outcome could be delivered"
    right = all(answer == {"received": True} for answer in seen.late)
    return (
        None
        if right
        else "後からの結果を received と答えなかった / it did not answer received: true, to the same outcome twice"
    )


def _late_refused(seen: Seen) -> Judged:
    if not seen.late:
        return "後からの結果を届けられなかった / no late outcome could be delivered"
    taken = any("refused" not in answer for answer in seen.late)
    return (
        "信じてはならない後からの結果を受け取った / it received a late outcome that it must not believe"
        if taken
        else None
    )


TURNS: Final = (
    Turn(
        id="answered",
        title="許可証を得て照会し、答えを受け取る / gets a permit, inquires, takes the answer",
        cites=f"{_PERMIT}; IS-2",
        look=_answered_once,
        ends=True,
    ),
    Turn(
        id="permit_retry",
        title="許可証を待たされたら、求め直す / asks for a permit again after `retry`",
        cites=_RESEND,
        permit="retry",
        look=_asked_again,
        ends=True,
    ),
    Turn(
        id="answer_retry",
        title="答えを待たされたら、送り直す / presents again after `retry`",
        cites=_RESEND,
        answer="retry",
        look=_presented_again,
        ends=True,
    ),
    Turn(
        id="refused",
        title="拒まれたら、照会しない / does not inquire when it is refused",
        cites=_PERMIT,
        permit="refused",
        look=_given_up,
        ends=False,
    ),
    Turn(
        id="permit_signature",
        title="コアの署名でない許可証を信じない / believes no permit that the core did not sign",
        cites=_PERMIT,
        permit="other_key",
        look=_not_presented,
        ends=False,
    ),
    Turn(
        id="permit_request_differs",
        title="別の要求への許可証を信じない / believes no permit for another request",
        cites=_PERMIT,
        permit="other_request",
        look=_not_presented,
        ends=False,
    ),
    Turn(
        id="outcome_signature",
        title="提供者の署名でない回答を信じない / believes no answer that the provider did not sign",
        cites=f"{_OUTCOME}; SC-1",
        answer="signed_by_another",
        ends=False,
    ),
    Turn(
        id="outcome_of_another_inquiry",
        title="別の照会への回答を信じない / believes no answer to another inquiry",
        cites=f"{_OUTCOME}; SC-5",
        answer="of_before",
        ends=False,
    ),
    Turn(
        id="payload_tampered",
        title="途中で変わった回答を信じない / believes no answer that was changed on its way",
        cites=f"{_OUTCOME}; SC-1",
        answer="tampered",
        ends=False,
    ),
    Turn(
        id="payload_does_not_open",
        title="別の鍵に封をした回答を答えとしない / takes nothing that was sealed to another key",
        cites="docs/architecture.md, Payload info; SC-1",
        answer="sealed_to_another",
        ends=False,
    ),
    Turn(
        id="payload_beyond_request",
        title="尋ねていない項目のある回答を受け取らない / takes nothing in that was not asked for",
        cites="docs/architecture.md, Payload; SC-5, SC-14",
        answer="more_than_asked",
        ends=False,
    ),
    Turn(
        id="late_outcome",
        title="保留のあとの結果を受け取り、二度届いても同じに答える / takes the outcome that comes after `held`, and answers it alike twice",
        cites=_LATE,
        answer="held",
        look=_late_received,
        ends=True,
    ),
    Turn(
        id="late_outcome_forged",
        title="保留のあとの、提供者のものでない結果を拒む / refuses a late outcome that is not the provider's own",
        cites=f"{_LATE}; SC-1",
        answer="held_then_forged",
        look=_late_refused,
        ends=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the report. `right` None: it was not seen, and `saw` says what is missing."""

    id: str
    right: bool | None
    title: str
    saw: str | None
    cites: str


def report(seen: Sequence[Seen], broken: Mapping[str, str], ends: Mapping[str, str]) -> list[Step]:
    """Every rule and turn in order. `broken`: rule → what was seen; `ends`: inquiry number → the state in which the server under test ended it."""
    steps = [
        Step(id=rule.id, right=rule.id not in broken if seen else None, title=rule.title, saw=broken.get(rule.id), cites=rule.cites)
        for rule in RULES
    ]  # fmt: skip
    by_turn = {one.turn.id: one for one in seen}
    return [*steps, *(_step(turn, by_turn.get(turn.id), ends) for turn in TURNS)]


def _step(turn: Turn, seen: Seen | None, ends: Mapping[str, str]) -> Step:
    right, saw = (
        (None, "この照会まで進まなかった / the run did not come so far") if seen is None else _judged(turn, seen, ends)
    )
    return Step(id=turn.id, right=right, title=turn.title, saw=saw, cites=turn.cites)


def _judged(turn: Turn, seen: Seen, ends: Mapping[str, str]) -> tuple[bool | None, str | None]:
    saw = turn.look(seen)
    if saw is not None:
        return False, saw
    if turn.answer == "more_than_asked" and seen.whole:
        return None, "項目を名指さない照会だった / no item was asked for by name"
    end = ends.get(seen.number)
    if turn.ends is None or (end is None and turn.look is not Turn.__dataclass_fields__["look"].default):
        return True, None
    if end is None:
        return (
            None,
            f"結末が渡されていない。この照会が answered で終わっていないこと / no end was handed over of {seen.number}: it must not be answered",
        )
    if (end == ANSWERED) == turn.ends:
        return True, None
    return (
        False,
        "信じてはならない回答を受け取った / it took what it must not believe"
        if not turn.ends
        else f"{end} で終わった / it ended as {end}",
    )

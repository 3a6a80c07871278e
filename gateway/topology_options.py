"""What a role may be told under `options`, program by program, and of which form each is: an option that nobody reads is a mistake.

A value of a role's options is read by its server; this table is the one place that knows all of them (docs/architecture.md, Options of a role).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from gateway.topology_fields import Fields, shown
from gateway.topology_hosts import host_of, is_address_of_an_application, is_host, is_origin, is_place
from gateway.topology_parts import Program

_DAYS_100_YEARS: Final = 36_525
_MOST_SECONDS: Final = _DAYS_100_YEARS * 24 * 3600
_MOST: Final = 1_000_000
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class One:
    """A single value. `right`: whether it is of the form that `mend` says."""

    right: Callable[[Any], bool]
    mend: str


@dataclass(frozen=True, slots=True)
class Several:
    """A list of them."""

    each: One


@dataclass(frozen=True, slots=True)
class Keys:
    """A mapping of these keys."""

    known: Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class By:
    """A mapping whose keys are `agency` ids that the role hosts, or names of any kind (`name`)."""

    what: str
    each: Kind


@dataclass(frozen=True, slots=True)
class Either:
    """A single value, or a mapping in its place."""

    one: One
    mapping: By


Kind = One | Several | Keys | By | Either


def _is_number(value: Any, lowest: float, highest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def _is_whole(value: Any, lowest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= _MOST


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _whole(lowest: int) -> One:
    return One(
        lambda value: _is_whole(value, lowest),
        f"{lowest} 以上の整数です / a whole number, {lowest} at least",
    )


def _like(right: Callable[[str], object], mend: str) -> One:
    return One(lambda value: isinstance(value, str) and bool(right(value)), mend)


def _of(*words: str) -> One:
    return One(lambda value: value in words, f"いずれか / one of: {', '.join(words)}")


SECONDS: Final = One(
    lambda value: _is_number(value, 0, _MOST_SECONDS), "0 以上の秒数です / a number of seconds, 0 or more"
)
OFFSET: Final = One(
    lambda value: _is_number(value, -_MOST_SECONDS, _MOST_SECONDS), "秒数です。負でもよい / a number of seconds"
)
FLAG: Final = One(lambda value: isinstance(value, bool), "true か false です / true or false")
TEXT: Final = _like(str.strip, "引用符で囲んだ文字です / a text within quotes")
_REACHED: Final = _like(
    is_address_of_an_application,
    "https://… です。# は使えません。http:// はこの機械だけ / an https address without a fragment; http of this machine only",
)
SHARE: Final = One(lambda value: _is_number(value, 0, 1), "0 から 1 の数です / a number from 0 to 1")
_PACE: Final = One(lambda value: _is_number(value, 0.01, 1), "0.01 から 1 の数です / a number from 0.01 to 1")
TIME: Final = _like(_TIME.fullmatch, '引用符で囲んだ時刻です / a time within quotes, as "08:00"')
DAY: Final = _like(_is_day, '引用符で囲んだ日付です / a day within quotes, as "2026-08-13"')
AGES: Final = One(
    lambda value: isinstance(value, list) and len(value) == 2 and all(_is_whole(one, 0) for one in value) and value[0] <= value[1],
    "[下限, 上限] の満年齢です / [from, to] in whole years",
)  # fmt: skip
_ORIGIN: Final = _like(
    is_origin,
    "https://ホスト:ポート の形です。443 は書かず、http:// はこの機械だけ"
    " / an origin as browsers write it: https://host:port, no port 443, http of this machine only",
)
KINDS: Final = Several(TEXT)
"""Names of kinds of information, or `*` (`topology_reading` looks whether there are such)."""
_WAYS: Final = _of("gateway", "existing_residents")
_HOURS: Final = (("opens", "08:00"), ("closes", "19:00"))
_FILES: Final = By("agency", TEXT)
_POLICY: Final[Mapping[str, Kind]] = dict.fromkeys(
    ("answer_within_s", "keep_result_s", "resend_after_s", "acquisition_within_s", "replaced_code_s"), SECONDS
)
"""What an agency may have otherwise than the others of its server."""
_OFFICE: Final[Mapping[str, Kind]] = {"staff_opens": TIME, "staff_closes": TIME, "staff_closed": Several(DAY)}
"""When staff are expected to be at work: what is done otherwise is told by the analysis of the access log (SC-12)."""
_EVERY: Final[Mapping[str, Kind]] = {"clock_offset_s": OFFSET}
OPTIONS: Final[Mapping[Program, Mapping[str, Kind]]] = {
    Program.LINKAGE: {
        "load_limits": By(
            "agency", Keys({"mismatch_rate": SHARE, "mismatch_floor": _whole(0), "ages": By("name", AGES)})
        ),
        "file_layouts": _FILES,
        "affairs": _FILES,
        "layouts": _FILES,
        "inquiry_codes": _FILES,
        "compare_with_resident_network": FLAG,
        "code_requests_over": Either(_WAYS, By("agency", _WAYS)),
        "existing_residents_folder": TEXT,
        "continuous_codes": FLAG,
        "cancel_codes_of_moved_out": FLAG,
        "cancel_codes_of_deceased": FLAG,
        "first_transfer": _of("on_command"),
        "reseal_share": _PACE,
        "clients_that_decide_alone": By("agency", Several(TEXT)),
        "push_hosts": By("agency", Several(_like(is_place, "host:port です / host:port"))),
        "issuer": _REACHED,
        **_OFFICE,
        **dict.fromkeys(
            ("push_attempts", "bulk_lines_per_request", "bulk_requests_in_flight", "desk_requests_in_flight", "desk_items_per_request", "connections"),
            _whole(1),
        ),
        **dict.fromkeys(
            (
                "existing_residents_answer_s", "push_first_wait_s", "inquiry_file_patience_s", "inquiry_file_look_s", "inquiry_file_supplement_look_s",
                "inquiry_file_supplement_every_s", "inquiry_file_keep_s", "reseal_settle_s", "jobs_keep_s",
                "decided_holds_keep_s",
            ),
            SECONDS,
        ),
    },
    Program.INTERMEDIATE: {
        **_POLICY,
        "layouts": _FILES,
        **dict.fromkeys(("list_poll_s", "code_epochs_poll_s", "held_escalate_s", "jobs_keep_s", "ended_keep_s", "reseal_settle_s"), SECONDS),
        "agencies": By("agency", Keys(_POLICY)),
        "statistics_threshold": _whole(3),
        "reseal_share": _PACE,
        "connections": _whole(1),
        **dict.fromkeys(
            (
                "staff_idle", "staff_absolute", "staff_locked_for", "staff_challenge_for", "staff_password_for", "staff_initial_for", "staff_card_for",
                "staff_account_for",
            ),
            SECONDS,
        ),
        **dict.fromkeys(("staff_sessions", "staff_failures", "staff_terminal_failures"), _whole(1)),
        **_OFFICE,
        "staff_rp_id": _like(is_host, "ホスト名です / a host name"),
        "staff_origins": Several(_ORIGIN),
        "staff_two_person_release": KINDS,
        "staff_two_person_bars": KINDS,
    },
    Program.NETWORK: {"permit_redeem_s": SECONDS},
    Program.RESIDENT_NETWORK: {"existing_residents_folder": TEXT, "asks_per_minute": _whole(1)},
    Program.SKY2: {
        **dict.fromkeys(("patience_s", "follow_up_s", "reseal_settle_s"), SECONDS),
        "reseal_share": _PACE,
        "account_item": TEXT,
        "unemployment_item": TEXT,
    },
    Program.PORTAL: {
        "clients": By("name", Several(_REACHED)),
        "session_s": SECONDS,
        "idle_s": SECONDS,
    },
}  # fmt: skip
"""Program → what it may be told; every one may also be told `clock_offset_s`."""


class WrongFile(NamedTuple):
    """A file that an option names. `said`: what its reader says of it; None when it cannot be read as text."""

    place: str
    said: str | None = None


FILES: Final = ("affairs", "file_layouts", "inquiry_codes", "layouts")
"""Options that name a file for each agency, below the role's folder unless the path is absolute."""


def known(program: Program) -> Mapping[str, Kind]:
    return {**OPTIONS[program], **_EVERY}


def examine(fields: Fields, program: Program, agencies: Collection[str]) -> None:
    """Note what is wrong with a role's options. `agencies`: those that may be named under them."""
    for key in fields.mapping:
        kind = known(program).get(key)
        if kind is not None:  # what is not known is noted already
            _examine(fields, key, kind, agencies)
    if program in {Program.LINKAGE, Program.INTERMEDIATE}:
        _examine_hours(fields)
    if program is Program.INTERMEDIATE:
        _examine_origins(fields)


def _examine_hours(fields: Fields) -> None:
    """An office that closes before it opens is never open."""
    opens, closes = (fields.mapping.get(f"staff_{name}", usual) for name, usual in _HOURS)
    if TIME.right(opens) and TIME.right(closes) and opens >= closes:
        key = "staff_closes" if "staff_closes" in fields.mapping else "staff_opens"
        fields.wrong(key, "hours_reversed", opens=shown(opens), closes=shown(closes))


def _examine_origins(fields: Fields) -> None:
    """A browser gives a card to a page of this name or below it only (WebAuthn §5.1.2)."""
    rp_id, origins = fields.mapping.get("staff_rp_id", "localhost"), fields.mapping.get("staff_origins", [])
    if not isinstance(rp_id, str) or not isinstance(origins, list):
        return
    for origin in filter(_ORIGIN.right, origins):
        if f".{host_of(origin)}".endswith(f".{rp_id}") is False:
            fields.wrong("staff_origins", "origin_of_another", origin=shown(origin), rp_id=shown(rp_id))


def _examine(fields: Fields, key: Any, kind: Kind, agencies: Collection[str]) -> None:
    value = fields.mapping[key]
    if isinstance(kind, Either):
        kind = kind.mapping if isinstance(value, dict) else kind.one
    if isinstance(kind, Keys | By):
        return _examine_mapping(fields, key, kind, agencies)
    if isinstance(kind, One):
        right, mend = kind.right(value), kind.mend
    else:
        right = isinstance(value, list) and all(map(kind.each.right, value))
        said, _, english = kind.each.mend.partition(" / ")
        mend = f"並びです。どれも {said} / a list, each {english}"
    if not right:
        fields.wrong(key, "value_wrong", key=key, value=shown(value), mend=mend)
    elif isinstance(kind, Several) and kind is not KINDS:
        fields.once(key, map(str, value))
    return None


def _examine_mapping(fields: Fields, key: Any, kind: Keys | By, agencies: Collection[str]) -> None:
    value = fields.mapping[key]
    given = value if isinstance(value, dict) else ()
    inner = fields.within(key, kind.known if isinstance(kind, Keys) else given)
    for name in inner.mapping:
        if isinstance(kind, Keys):
            if name in kind.known:
                _examine(inner, name, kind.known[name], agencies)
        elif kind.what == "agency" and name not in agencies:
            inner.unknown(name, "agency_not_hosted", name, agencies)
        else:
            _examine(inner, name, kind.each, agencies)

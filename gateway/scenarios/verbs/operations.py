"""Verbs of running the ward's server: notices of running state, jobs, statistics, erasure with its certificate (IS-10, SC-16, SC-23)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from codebook.identifiers import new_sortable_id
from gateway.batch.jobs import JobState
from gateway.demonstration.stage import WARD
from gateway.intermediate_server.retention.certificates import together
from gateway.notice_words import POSTED
from gateway.scenarios.driver import RESIDENTS, until
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import FLAG, Form, Names, Only, Told, Unfit, Words, something_left
from gateway.scenarios.vocabulary import REASON
from permission_lists.versions import legal_day

_WORKER: Final = "staff-1"
_PATIENCE_S: Final = 10.0
JOBS: Final = ("statistics", "code_renewal", "backup", "resealing")


class Post(Words, frozen=True, kw_only=True):
    """運転状況のお知らせ of the ward: posted for so many `hours`, or withdrawn (`of`: an earlier one)."""

    does: Literal["post", "withdraw"] = "post"
    kind: str = "planned_stop"
    text: str = "架空の停止"
    hours: Annotated[int, Meta(ge=1, le=1_000)] = 24
    of: str | None = None
    by: str = _WORKER


class Notices(Words, frozen=True, kw_only=True):
    """What the ward's business systems are told now of what its operators have posted; its staff are told the same."""


class Job(Words, frozen=True, kw_only=True):
    """ジョブ: the newest of a kind at the ward's intermediate server; `retry`: it is done once more before."""

    kind: str
    retry: bool = False
    by: str = _WORKER


class Statistics(Words, frozen=True, kw_only=True):
    """業務統計 of the ward: the month before this one, or with `now` this one, which is not over."""

    now: bool = False
    by: str = _WORKER


class Erased(Words, frozen=True, kw_only=True):
    """消去の証明書 of the key under which the result of an inquiry of the ward lay; `confirm`: somebody has looked, and says so with both factors."""

    of: str
    confirm: bool = False
    by: str = _WORKER


async def post(play: Play, words: Post) -> dict[str, Any]:
    """`reason` of a refusal."""
    now = play.driver.running.clock()
    if words.does == "withdraw":
        notice_id = play.seen[words.of or ""].get("_", {}).get("notice_id", "")
        answer = await play.driver.as_staff(WARD, words.by, "notices/withdraw", {"notice_id": notice_id})
    else:
        notice_id = new_sortable_id("N", int(now.timestamp() * 1000), secrets.token_bytes(10))
        shown = {"shown_until": (now + timedelta(hours=words.hours)).isoformat()}
        item = {"notice_id": notice_id, "kind": words.kind, "text": words.text, **shown}
        answer = await play.driver.as_staff(WARD, words.by, "notices/post", item)
    return {"reason": answer if isinstance(answer, str) else None, "_": {"notice_id": notice_id}}


async def notices(play: Play, _words: Words) -> dict[str, Any]:
    """`kinds`; `same`: whether staff are told the same."""
    async with play.driver.stage.system(RESIDENTS) as caller:
        told = json.loads(await caller.download("/v1/notices"))["notices"]
    seen = await play.driver.as_staff(WARD, "staff-2", "staff/notices", {})
    same = not isinstance(seen, str) and seen[0]["notices"] == told
    return {"kinds": [one["kind"] for one in told if one["notice_id"]], "same": same}


async def job(play: Play, words: Job) -> dict[str, Any]:
    """`state`; the `reason` of its failure, or of a refusal."""
    found = await _newest(play, words)
    if words.retry and isinstance(found, dict):
        named = {"kind": words.kind, "id": found["id"]}
        again = await play.driver.as_staff(WARD, words.by, "jobs/retry", named)
        found = again if isinstance(again, str) else await until(lambda: _newest(play, words), _is_over, _PATIENCE_S)
    if isinstance(found, str):
        return {"state": None, "reason": found}
    return {"state": found["state"], "reason": found["reason"]}


async def _newest(play: Play, words: Job) -> dict[str, Any] | str:
    answer = await play.driver.as_staff(WARD, words.by, "jobs", {"kind": words.kind, "most": 1})
    if isinstance(answer, str):
        return answer
    jobs: list[dict[str, Any]] = answer[0]["jobs"]
    if not jobs:
        raise StepFailedError("there is no job of this kind")
    return jobs[0]


def _is_over(found: dict[str, Any] | str) -> bool:
    return isinstance(found, str) or found["state"] != JobState.RUNNING


async def statistics(play: Play, words: Statistics) -> dict[str, Any]:
    """How many `inquiries` and `provisions` are told; a number too small to tell is not; or the `reason` of a refusal."""
    month = legal_day(play.driver.running.clock()).replace(day=1)
    if not words.now:
        month -= timedelta(days=1)
    asked = dict.fromkeys(("since", "until"), f"{month:%Y-%m}")
    answer = await play.driver.as_staff(WARD, words.by, "statistics", asked)
    if isinstance(answer, str):
        return {"inquiries": 0, "provisions": 0, "reason": answer}
    told = dict.fromkeys(("inquiry", "provision"), 0)
    for number in answer[0]["numbers"]:
        told[number["direction"]] += number["exchanges"]
    return {"inquiries": told["inquiry"], "provisions": told["provision"], "reason": None}


async def erased(play: Play, words: Erased) -> dict[str, Any]:
    """`state` and `rule` of the certificate, whether the key is `gone`; or the `reason` why nothing was confirmed."""
    purpose = await _key_of(play, words.of)
    found = await until(lambda: _certificate(play, words.by, purpose), bool, _PATIENCE_S)
    if found is None or isinstance(found, str):
        return {"state": None, "rule": None, "gone": False, "reason": found}
    reason = None
    if words.confirm:
        hashes = [found["content_hash"]]
        answer = await play.driver.as_staff(
            WARD,
            words.by,
            "erasures/confirm",
            {"content_hashes": hashes},
            purpose=f"confirm_erasure/{together(hashes)}",
        )
        reason = answer if isinstance(answer, str) else None
        found = await _certificate(play, _WORKER, purpose)
        if found is None or isinstance(found, str):
            raise StepFailedError("the certificate is there no more")
    return {"state": found["state"], "rule": found["rule"], "gone": found["key_gone"], "reason": reason}


async def _key_of(play: Play, step: str) -> str:
    """Under which key of the ward's ring the result of an inquiry lies, or lay."""
    async with play.driver.administrator() as connection:
        await connection.execute("select set_config('search_path', $1, false)", f"a_{WARD}_intermediate")
        number = play.seen[step].get("_", {}).get("number")
        found: str | None = await connection.fetchval(
            "select key_purpose from inquiry where inquiry_number = $1", number
        )
    if found is None:
        raise StepFailedError("the ward knows no such inquiry of its own")
    return found


async def _certificate(play: Play, who: str, purpose: str) -> dict[str, Any] | str | None:
    answer = await play.driver.as_staff(WARD, who, "erasures", {})
    if isinstance(answer, str):
        return answer
    return next((one for one in answer if one["key_purpose"] == purpose), None)


def _withdraws_one(words: Post, names: Names) -> Iterator[Unfit]:
    if words.does == "withdraw" and words.of is None:
        yield Unfit("of", "notice", "", names["notice"])


_COUNT: Final = Told("count", most=1_000_000)
_CERTIFIED: Final = Told("state", ("certified", "confirmed"))
_POSTS: Final = dict.fromkeys(
    ("kind", "text", "hours"),
    Only(lambda words: words.does == "post", "does: post だけが使います / does: post alone uses it"),
)
VERBS: Final[Mapping[str, Verb]] = {
    "notice": Verb(
        form=Form(
            words=Post,
            tells={"reason": REASON},
            makes="notice",
            refers={"kind": "notice kind", "of": "notice", "by": "staff"},
            only=_POSTS
            | {
                "of": Only(
                    lambda words: words.does == "withdraw",
                    "does: withdraw だけが使います / does: withdraw alone uses it",
                )
            },
            fits=_withdraws_one,
            leaves=something_left,
        ),
        play=post,
    ),
    "notices": Verb(
        form=Form(words=Notices, tells={"kinds": Told("notice kind", tuple(POSTED), several=True), "same": FLAG}),
        play=notices,
    ),
    "job": Verb(
        form=Form(
            words=Job,
            tells={"state": Told("state", tuple(JobState)), "reason": REASON},
            refers={"kind": "job kind", "by": "staff"},
            comes_upon=True,
        ),
        play=job,
    ),
    "statistics": Verb(
        form=Form(
            words=Statistics,
            tells={"inquiries": _COUNT, "provisions": _COUNT, "reason": REASON},
            refers={"by": "staff"},
            comes_upon=True,
        ),
        play=statistics,
    ),
    "erased": Verb(
        form=Form(
            words=Erased,
            tells={"state": _CERTIFIED, "rule": Told("rule", ("SC-3",)), "gone": FLAG, "reason": REASON},
            refers={"of": "inquiry", "by": "staff"},
            comes_upon=True,  # one certificate for the key of everybody's results of a time
        ),
        play=erased,
    ),
}

"""/v1/push-targets and /v1/pushes: a business system says where its changes go, sees what is open, and has given-up ones sent again (LS-1.5)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from evidence.canonical import timestamp
from evidence.entry import EntryKind, other_entry
from gateway.api.authorization import require
from gateway.api.tokens import Caller
from gateway.linkage_server.access.look_ups import subjects
from gateway.linkage_server.access.sight import check_staff
from gateway.linkage_server.pushes import store
from gateway.linkage_server.pushes.loop import Pushes
from gateway.linkage_server.pushes.results import where_it_ends
from gateway.linkage_server.pushes.store import PUT_TARGET
from gateway.linkage_server.pushes.targets import Target, TargetKind, TargetState, UrlRefused, check_url
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from keys.masked import Secret
from storage.committer import Commit, NewEntry, Write, commit_step
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

PUSHES: web.AppKey[Mapping[str, Pushes]] = web.AppKey("pushes", Mapping[str, Any])
CONFIGURED_STEP: Final = commit_step("linkage", "pushes.configured")
_MOST: Final = 1_000


class _Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    staff: str
    kind: TargetKind
    url: Annotated[str, msgspec.Meta(max_length=300)] = ""
    encoding: Annotated[str, msgspec.Meta(pattern=r"\A(utf-8|cp932)\Z")] = "utf-8"
    state: TargetState = TargetState.ON
    from_start: bool = False
    new_secret: bool = False
    inquiry_results: bool = False


class _Resend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    staff: str
    delivery_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=_MOST)] | None = None


_TARGET = msgspec.json.Decoder(_Target)
_RESEND = msgspec.json.Decoder(_Resend)
_NEEDS_A_WEBHOOK: Final = ProblemError(
    400, "results_need_a_webhook", "Results are told by webhook; a folder gets changes of people only."
)
_NO_PLACE: Final = ProblemError(
    503,
    "intermediate_server_unavailable",
    "The intermediate server did not say from where on results are told; ask again.",
)
_URL_PROBLEMS: Final = {
    UrlRefused.MALFORMED: ProblemError(
        400, "url_malformed", "A webhook is an https URL without user, query and fragment; a folder has no URL."
    ),
    UrlRefused.NOT_ALLOWED: ProblemError(
        403, "url_host_not_allowed", "The agency's configuration (push_hosts) does not name this host and port."
    ),
}


def add_routes(app: web.Application) -> None:
    app.router.add_post("/v1/push-targets", post_push_target)
    app.router.add_get("/v1/push-targets", get_push_target)
    app.router.add_get("/v1/pushes/dead", get_dead)
    app.router.add_post("/v1/pushes/resend", post_resend)


async def post_push_target(request: web.Request) -> web.Response:
    """Set the caller's own target. The secret of a webhook is in this answer and in no other."""
    caller, pushes = await _enter(request)
    wanted = wire.read_body(await request.read(), _TARGET)
    check_staff(wanted.staff)
    _check_url(wanted, pushes)
    if wanted.inquiry_results:
        await require(request, "inquiries", "create")
    agency = pushes.agency
    before = await _read(agency, caller.system)
    secret = before.secret if before is not None else None
    results = await _results_from(agency, caller, wanted, before)
    made = wanted.kind is TargetKind.WEBHOOK and (secret is None or wanted.new_secret)
    if made:
        secret = Secret(secrets.token_urlsafe(32).encode())
    await agency.committer.apply(_configured(agency, caller, wanted, secret, results))
    if results is None and before is not None and before.results is not None:
        async with agency.database.inside(agency.tenant) as connection:
            await store.drop_notices(connection, caller.system, agency.clock())
    target = await _read(agency, caller.system)
    if target is None:
        raise RuntimeError("a target that was just written is not there")
    shown = await _shown(agency, target)
    if made and secret is not None:
        shown["secret"] = secret.reveal().decode()  # reveal: to the system that will verify with it, once
    return web.json_response(shown)


async def get_push_target(request: web.Request) -> web.Response:
    caller, pushes = await _enter(request)
    target = await _read(pushes.agency, caller.system)
    if target is None:
        raise ProblemError(404, "no_push_target", "Nothing is pushed to this system; set a target by POST.")
    return web.json_response(await _shown(pushes.agency, target))


async def get_dead(request: web.Request) -> web.Response:
    """Pushes that were given up, in order: ids and reasons, nobody's data."""
    caller, pushes = await _enter(request)
    after = request.query.get("after", "")
    async with pushes.agency.database.inside(pushes.agency.tenant) as connection:
        dead = await store.read_dead(connection, caller.system, after, _MOST)
    items = [
        {
            "delivery_id": one["delivery_id"],
            "made_at": timestamp(one["made_at"]),
            "given_up_at": timestamp(one["ended_at"]),
            "attempts": one["attempts"],
            "reason": one["reason"],
            "where": one["refused_at"],
        }
        for one in dead
    ]
    return web.json_response({"items": items, "next": items[-1]["delivery_id"] if len(items) == _MOST else None})


async def post_resend(request: web.Request) -> web.Response:
    """Try again what was given up, those named or all; what waits behind them goes after them.

    Whose content is sent again as it was is on record first (SC-7); what is written anew has its own entry then.
    """
    caller, pushes = await _enter(request)
    wanted = wire.read_body(await request.read(), _RESEND)
    check_staff(wanted.staff)
    agency, revived = pushes.agency, 0
    async with agency.database.inside(agency.tenant) as connection:
        found = list((await store.given_up(connection, caller.system, wanted.delivery_ids)).items())
    for start in range(0, max(len(found), 1), _MOST):
        part = dict(found[start : start + _MOST])
        await agency.committer.apply(_resent(agency, caller, wanted, part))
        async with agency.database.inside(agency.tenant) as connection:
            revived += await store.revive(connection, caller.system, list(part), agency.clock())
    return web.json_response({"revived": revived})


def _resent(agency: Agency, caller: Caller, wanted: _Resend, found: Mapping[str, int | None]) -> Commit:
    now = agency.clock()
    entry_id = new_entry_id(now)
    committed, found_by = subjects(agency, entry_id, {number for number in found.values() if number is not None})
    facts = {"action": "resend", "staff": wanted.staff, "named": len(wanted.delivery_ids or ()), "subjects": committed}
    entry = _entry(caller, facts, entry_id, now)
    return Commit(step=CONFIGURED_STEP, follow=tuple(found_by), entries=(entry,))


async def _enter(request: web.Request) -> tuple[Caller, Pushes]:
    caller = await require(request, "pushes", "configure")
    return caller, request.app[PUSHES][caller.agency]


def _check_url(wanted: _Target, pushes: Pushes) -> None:
    """Raises ProblemError: a webhook needs a URL that may be called, a folder has none."""
    if wanted.kind is TargetKind.FOLDER and not wanted.url:
        return
    refused = check_url(wanted.url, pushes.rules.hosts) if wanted.kind is TargetKind.WEBHOOK else UrlRefused.MALFORMED
    if refused is not None:
        raise _URL_PROBLEMS[refused]


async def _results_from(
    agency: Agency, caller: Caller, wanted: _Target, before: Target | None
) -> tuple[int, int] | None:
    """From which place of the intermediate server's log on results are told; None: they are not. Raises ProblemError."""
    if not wanted.inquiry_results:
        return None
    if wanted.kind is not TargetKind.WEBHOOK:
        raise _NEEDS_A_WEBHOOK
    if before is not None and before.results is not None:
        return before.results.year, before.results.index
    try:
        return await where_it_ends(agency, caller.system)
    except ChannelError:
        raise _NO_PLACE from None


async def _read(agency: Agency, system: str) -> Target | None:
    async with agency.database.inside(agency.tenant) as connection:
        found = await store.read_targets(connection, agency.keys, system)
    return found[0] if found else None


def _entry(caller: Caller, facts: Mapping[str, Any], entry_id: str, now: datetime) -> NewEntry:
    entry = other_entry(
        id=entry_id,
        at=now,
        kind=EntryKind.PUSHES_CONFIGURED,
        actor=caller.client_id,
        facts={"system": caller.system, **facts},
    )
    return new_entry(entry, now)


def _configured(
    agency: Agency, caller: Caller, wanted: _Target, secret: Secret | None, results: tuple[int, int] | None
) -> Commit:
    webhook, now = wanted.kind is TargetKind.WEBHOOK, agency.clock()
    sealed = agency.keys.seal_push_secret(secret, caller.system) if webhook and secret is not None else None
    row = (
        caller.system, wanted.kind.value, wanted.url if webhook else None, wanted.encoding, sealed,
        wanted.state.value, wanted.from_start, now, *(results or (None, None)),
    )  # fmt: skip
    facts = {
        "action": "target",
        "staff": wanted.staff,
        "kind": wanted.kind.value,
        "host": urlsplit(wanted.url).netloc,
        "state": wanted.state.value,
        "inquiry_results": wanted.inquiry_results,
    }
    entry = _entry(caller, facts, new_entry_id(now), now)
    return Commit(step=CONFIGURED_STEP, guard=Write(PUT_TARGET, row), entries=(entry,))


async def _shown(agency: Agency, target: Target) -> dict[str, Any]:
    async with agency.database.inside(agency.tenant) as connection:
        counts = (await store.counts(connection, target.system)).get(target.system, {})
    return {
        "kind": target.kind.value,
        "url": target.url or None,
        "encoding": target.encoding,
        "state": target.state.value,
        "inquiry_results": target.results is not None,
        "configured_at": timestamp(target.configured_at),
        "waiting": counts.get("waiting", 0),
        "ready": counts.get("ready", 0),
        "dead": counts.get("dead", 0),
    }

"""POST /v1/addressees: registration of single people by a business system (LS-1.2, LS-1.3)."""

from __future__ import annotations

import hmac
from typing import Any, Final

import msgspec
from aiohttp import web

from codebook.four_items import Field
from gateway.api.authorization import idempotency_key, require
from gateway.api.clients import SystemRights
from gateway.batch.text_forms import refused_in
from gateway.linkage_server import intake
from gateway.linkage_server.addressees import flow
from gateway.linkage_server.addressees.rows import Malformed, Parsed, check
from gateway.linkage_server.affairs import Affairs
from gateway.linkage_server.file_layouts import ADDRESSEE_COLUMNS as COLUMNS
from gateway.linkage_server.tenant import AGENCIES, Agency
from transport import wire
from transport.channel import ChannelError
from transport.problem import ProblemError

_MOST: Final = 1_000


class _Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    addressee_number: str
    name: str
    sex: str
    birth_date: str
    address: str
    resident_kind: str
    kana: str = ""
    individual_number: str = ""

    def __repr__(self) -> str:
        return "<_Item>"


_ITEM = msgspec.json.Decoder(_Item)


def _fields(system: str, item: _Item) -> tuple[str, ...]:
    return (
        system, item.addressee_number, item.individual_number, item.name, item.kana, item.sex, item.birth_date, item.address, item.resident_kind,
    )  # fmt: skip


def _parsed(number: int, item: _Item, rights: SystemRights, affairs: Affairs, today: str) -> Parsed:
    fields = _fields(rights.system, item)
    for name, text in zip(COLUMNS, fields, strict=True):
        if (refused := refused_in(text)) is not None:
            return Malformed(number, refused[1], name)
    return check(
        number,
        fields,
        system=rights.system,
        may_use_individual_number=affairs.may_bring_individual_number(rights),
        needs_kana=Field.KANA in affairs.may_bring(rights.system),
        today=today,
    )


async def post_addressees(request: web.Request) -> web.Response:
    caller = await require(request, "addressees", "register")
    key = idempotency_key(request)
    body = await request.read()
    items = wire.parse_items(wire.read_envelope(body), _ITEM)
    if len(items) > _MOST:
        raise ProblemError(413, "too_many_items", "Register up to 1,000 people at once; use the spool for more.")
    agency = request.app[AGENCIES][caller.agency]
    rights = SystemRights(
        system=caller.system, scopes=caller.scopes, may_use_individual_number=caller.may_use_individual_number
    )
    try:
        results = await _register(
            agency,
            items,
            body,
            key=intake.request_key(agency, caller.client_id, "addressees", key),
            rights=rights,
        )
    except ChannelError:
        raise ProblemError(
            503,
            "resident_network_unavailable",
            "The resident network did not answer; nothing was registered. Ask again with the same key.",
        ) from None
    return web.json_response({"items": results})


async def _register(
    agency: Agency, items: list[_Item], body: bytes, *, key: str, rights: SystemRights
) -> list[dict[str, Any]]:
    system = rights.system
    digest = agency.keys.digest_of_request(body)
    taken = await intake.open_intake(agency, key, channel="api", system=system, sha256=digest)
    if not hmac.compare_digest(taken.sha256, digest):
        raise ProblemError(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another body before; a retry repeats key and body.",
        )
    if not taken.done:
        if not taken.lines_done and items:
            today = agency.today().isoformat()
            parsed = [
                _parsed(number, item, rights, agency.affairs, today) for number, item in enumerate(items, start=1)
            ]
            prepared = await flow.prepare(agency, parsed, rights=rights, last_line=len(items))
            taken = await flow.register(agency, taken, prepared)
        await flow.close(agency, taken, system=system)
    return [
        {"outcome": outcome, "reason": reason}
        | ({"integrated_number": number} if number else {})
        | {name: text for name, text in zip(("where", "folds"), more, strict=False) if text}
        for _, outcome, reason, number, *more in await intake.read_results(agency, taken)
    ]

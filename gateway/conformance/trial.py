"""What a conformance run plays: the network with its own identity and permit key, and an inquirer of the same data folder.

Only somebody with the data folder of a simulated network can run it: permits that the server under test must believe are signed here.
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from adapters.jlis_mock.core.codes import CodeBook
from adapters.jlis_mock.core.messages import OPTIONAL
from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from adapters.jlis_mock.resident_network.residents import Residents, parse_number
from codebook import layouts
from codebook.identifiers import PERMIT_PREFIX, new_sortable_id
from evidence.canonical import timestamp
from gateway.data_folder import DataFolder
from gateway.registered_parties import parties_of
from gateway.topology import NETWORK, RESIDENT_NETWORK, Program
from keys.sealing import OneTimeKey
from keys.signing import Signer
from partner.messages import Question, SignedRequest, envelope, hexdigest, sign_request, text
from permission_lists import versions
from permission_lists.compiled import CompiledList
from permission_lists.decide import Permitted
from permission_lists.model import PermissionList, PermissionRow
from permission_lists.versions import SignedVersion, legal_day
from storage import list_files
from storage.database import Database
from storage.reference_data import read_layouts
from transport import role as role_file
from transport import tls
from transport.register import Register, Side
from transport.role import RoleConfig
from transport.tls import Identity

NONCE_SIZE: Final = 32
PROVISIONS: Final = "provisions"
Listed = tuple[str, PermissionList, CompiledList]
"""Digest, content and rows of the permission list in force."""
LIFE: Final = timedelta(minutes=10)
TIMEOUT_S: Final = 20.0


class TrialError(ValueError):
    """The run cannot begin; the message says why and what to do, in Japanese first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The provider's codes of the people that the run asks about. `barred` None: nobody was named, the step is left out.

    `pending`: an acquisition number that the server has given out and under which no code has come; None likewise.
    """

    known: bytes
    unknown: bytes
    barred: bytes | None
    pending: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Somebody of this folder who asks, and what."""

    agency: str
    signer: Signer
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One request under a permit as the network would pass it on, every part of which may be bent."""

    item: dict[str, str]
    claims: PermitClaims
    one_time_key: OneTimeKey


@dataclass(slots=True, kw_only=True)
class Trial:
    """`url`: the server's base with the agency in it. `asking`: who asks. `stranger`: an identity that must be turned away.

    `in_stead`: an inquiry that the list gives to who has delegated it, and not to who makes it. `strangers`: by side, an agency that has delegated
    nothing to the inquirer, or to the provider. None: there is none here. `unassessed`: who here may not ask today (28条), with the same question.
    `rows`: of the list that counts today, and those of other versions that are not in force today.
    """

    url: str
    agency: str
    register: Register
    network: Identity
    asking: Asking
    inquirer_identity: Identity
    stranger: Identity
    permit_signer: Signer
    people: People
    now: datetime
    in_stead: Asking | None
    strangers: Mapping[Side, str | None]
    rows: tuple[PermissionRow, ...]
    unassessed: tuple[Asking, ...]

    @property
    def inquirer(self) -> str:
        return self.asking.agency

    @property
    def question(self) -> Question:
        return self.asking.question

    def request(self, asking: Asking | None = None, **changes: Any) -> SignedRequest:
        """A request that the inquirer signed, or whoever else asks."""
        who = asking or self.asking
        question = replace(who.question, **{"expires_at": self.now + LIFE, **changes})
        return sign_request(question, agency=who.agency, signer=who.signer, now=self.now)

    def harmless(self, path: str) -> bytes:
        """A body for somebody who must be turned away before it is read."""
        return envelope([self.presented().item] if path == PROVISIONS else [])

    def presented(
        self,
        *,
        code: bytes | None = None,
        request: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        item: Mapping[str, str] | None = None,
        signer: Signer | None = None,
        stead: Asking | None = None,
    ) -> Presented:
        """A request that is in order, but for what is given: changes of the signed request, of the permit's claims, or of the item that is sent."""
        signed = self.request(stead, **(request or {}))
        asked = json.loads(signed.request)
        shown, nonce = code or self.people.known, secrets.token_bytes(NONCE_SIZE)
        permit = PermitClaims(
            permit_id=new_sortable_id(PERMIT_PREFIX, int(self.now.timestamp() * 1000), secrets.token_bytes(10)),
            **{name: asked[name] for name in ("inquiry_number", "inquirer", "provider", "basis", "item")},
            **{name: asked[name] for name in ("information", "items", "list_digest", "key_hash")},
            request_digest=hexdigest(signed.request),
            code_binding=hexdigest(nonce + shown),
            issued_at=timestamp(self.now),
            redeem_by=timestamp(self.now + LIFE / 2),
            answer_by=asked["expires_at"],
            **{name: asked[name] for name in OPTIONAL if name in asked},
        )
        bent = PermitClaims(**{**{name: getattr(permit, name) for name in permit.__struct_fields__}, **(claims or {})})
        sent = {
            "permit": write_permit(bent, signer or self.permit_signer),
            "public_key": text(signed.one_time_key.public),
            "request": text(signed.request),
            "signature": text(signed.signature),
            "code": text(shown),
            "nonce": text(nonce),
        }
        return Presented(item={**sent, **(item or {})}, claims=bent, one_time_key=signed.one_time_key)

    async def post(
        self, body: bytes, *, path: str, identity: Identity | None, newest: ssl.TLSVersion | None = None
    ) -> Answered:
        """POST to one of the server's paths as somebody. Raises aiohttp.ClientError, OSError, TimeoutError when there is no answer."""
        context = tls.client_context(identity, self.network.ca)
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        connector = aiohttp.TCPConnector(ssl=context)
        headers = {"Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            session.post(f"{self.url}/{path}", data=body, headers=headers, allow_redirects=False) as response,
        ):
            data = await response.read()
            return Answered(status=response.status, content_type=response.content_type, body=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An HTTP answer as it came."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


async def prepare(
    data: DataFolder, *, url: str, information: str, people: Mapping[str, str], stranger: Identity
) -> Trial:
    """Everything that a run needs, from the data folder. Raises TrialError, KeyStoreError, StorageUnavailableError, ValueError, OSError."""
    base, _, agency = url.rstrip("/").rpartition("/")
    config = role_file.load(data.role(NETWORK))
    register = config.register
    if not base.startswith("https://") or agency not in register.agencies:
        raise TrialError(
            "URL は https://ホスト:ポート/機関の id です。その機関が登録されていること / the URL is https://host:port/agency, of a registered agency"
        )
    ring = config.open_keys(NETWORK).ring
    now = config.clock()
    listed = list_in_force(config, register, legal_day(now))
    asking = _asking(data, listed, agency, information, now)
    book = CodeBook(ring, register.agencies)
    references = await _references(data, people)
    return Trial(
        url=f"{base}/{agency}",
        agency=agency,
        register=register,
        network=config.hosted[NETWORK].identity,
        asking=asking,
        inquirer_identity=hosting(data, asking.agency).hosted[asking.agency].identity,
        stranger=stranger,
        permit_signer=ring.signer("permit"),
        people=People(
            known=book.code_of(agency, references["known"]),
            unknown=book.code_of(agency, secrets.token_bytes(16)),
            barred=book.code_of(agency, references["barred"]) if "barred" in references else None,
            pending=people.get("pending"),
        ),
        now=now,
        in_stead=_in_stead(data, listed, register, asking.question, now),
        strangers={side: _stranger_to(listed, register, asking, side, legal_day(now)) for side in Side},
        rows=_rows(config, register, listed[1], legal_day(now)),
        unassessed=tuple(
            replace(asking, agency=one, signer=_signer(data, one))
            for one in inquirers(data)
            if one != agency and not register.agencies[one].assessed_on(legal_day(now))
        ),
    )


def hosting(data: DataFolder, agency: str) -> RoleConfig:
    """The role of this folder that hosts an agency's intermediate server. Raises TrialError."""
    for found in _intermediate_servers(data):
        if agency in found.hosted:
            return found
    raise TrialError("照会者の役割がありません / no role here hosts the inquirer")


def inquirers(data: DataFolder) -> list[str]:
    """The agencies whose intermediate servers are in this folder."""
    return [agency for found in _intermediate_servers(data) for agency in found.hosted]


def _intermediate_servers(data: DataFolder) -> list[RoleConfig]:
    roles = (role_file.load(path.parent) for path in sorted((data.root / "roles").glob("*/role.json")))
    return [one for one in roles if one.options.get("program") == Program.INTERMEDIATE.value]


def _asking(data: DataFolder, listed: Listed, agency: str, information: str, now: datetime) -> Asking:
    """An inquirer of this data folder and an inquiry that the list in force gives it."""
    day, (digest, found, compiled) = legal_day(now), listed
    basis = found.statutory_basis(day)
    for inquirer in inquirers(data):
        for item in _items(found, day) if inquirer != agency else ():
            if isinstance(compiled.decide(inquirer, agency, basis.id if basis else None, item, information), Permitted):
                question = Question(
                    provider=agency,
                    item=item,
                    information=information,
                    list_digest=digest,
                    basis=basis.id if basis else None,
                    items=one_item(information, day),
                )
                return Asking(agency=inquirer, signer=_signer(data, inquirer), question=question)
    raise TrialError(
        f"この機関に{information}を照会できる機関がこのフォルダーにありません。--information で別のものを"
        " / no agency of this folder may ask this one for that; name another kind with --information"
    )


def _items(listed: PermissionList, day: date) -> list[str]:
    basis = listed.statutory_basis(day)
    return sorted({item for of, item in listed.rows if basis is not None and of == basis.id})


def _in_stead(data: DataFolder, listed: Listed, register: Register, question: Question, now: datetime) -> Asking | None:
    """An inquiry by a delegate of this folder under a row of its delegator's alone."""
    day, compiled, here = legal_day(now), listed[2], inquirers(data)
    for one in register.delegations:
        covered = one.covers(Side.INQUIRER, one.delegator, one.delegate, question.information, day)
        if not covered or one.delegate not in here or question.provider in {one.delegate, one.delegator}:
            continue
        for item in _items(listed[1], day):
            asked = (question.provider, question.basis, item, question.information)
            by_delegator, by_delegate = (compiled.decide(who, *asked) for who in (one.delegator, one.delegate))
            if isinstance(by_delegator, Permitted) and not isinstance(by_delegate, Permitted):
                said = {"inquirer_for": one.delegator}
                return Asking(
                    agency=one.delegate,
                    signer=_signer(data, one.delegate),
                    question=replace(question, item=item, said=said),
                )
    return None


def _stranger_to(listed: Listed, register: Register, asking: Asking, side: Side, day: date) -> str | None:
    """An agency that has delegated nothing to the one of this run on this side: one that the list permits the same, if there is such."""
    question = asking.question
    delegate = asking.agency if side is Side.INQUIRER else question.provider

    def permitted(who: str) -> bool:
        parties = (who, question.provider) if side is Side.INQUIRER else (asking.agency, who)
        return isinstance(listed[2].decide(*parties, question.basis, question.item, question.information), Permitted)

    others = [
        one
        for one in register.agencies
        if one not in {asking.agency, question.provider}
        and not register.delegated(side, one, delegate, question.information, day)
    ]
    return next(filter(permitted, others), next(iter(others), None))


def _signer(data: DataFolder, agency: str) -> Signer:
    return hosting(data, agency).open_keys(agency).ring.signer("signing")


def list_in_force(config: RoleConfig, register: Register, day: date) -> Listed:
    """Digest, content and rows of the permission list that counts on a legal day. Raises TrialError, OSError."""
    held = _versions(config, register)
    head = versions.in_force(tuple(held), day)
    if head is None:
        raise TrialError("今日効力のある照合リストがありません / no permission list is in force today")
    content = versions.read_content(held[head].content)
    return head.content_digest, content, CompiledList(content, parties_of(register), day)


def _versions(config: RoleConfig, register: Register) -> dict[versions.Head, SignedVersion]:
    heads: dict[versions.Head, SignedVersion] = {}
    for signed in list_files.read(config.folder / list_files.FILE_NAME):
        head = versions.check(signed, tuple(heads), register.list_keys)
        if isinstance(head, versions.Head):
            heads[head] = signed
    return heads


def _rows(config: RoleConfig, register: Register, listed: PermissionList, day: date) -> tuple[PermissionRow, ...]:
    contents = (versions.read_content(one.content) for one in _versions(config, register).values())
    others = {place: row for content in contents for place, row in content.rows.items() if not row.counts_on(day)}
    return tuple({**others, **listed.rows}.values())


def one_item(information: str, day: date) -> tuple[str, ...]:
    """One item of the layout, so that whatever else comes is too much."""
    layout = layouts.in_force(read_layouts(), information, day)
    first = next(iter(layout.data_sets.values()), None) if layout is not None else None
    return (next(iter(first.items)),) if first is not None else ()


async def _references(data: DataFolder, people: Mapping[str, str]) -> dict[str, bytes]:
    """Person references of the simulated resident network: the codes that the server under test got are made of them."""
    numbers = {name: parse_number(number) for name, number in people.items() if name != "pending"}
    config = role_file.load(data.role(RESIDENT_NETWORK))
    database = await Database.open(config.dsn, connections=1)
    try:
        hosted = config.hosted[RESIDENT_NETWORK]
        residents = Residents(database, hosted.tenant, config.open_keys(RESIDENT_NETWORK))
        found = await residents.find(list(numbers.values()))
    finally:
        await database.close()
    missing = [name for name, one in zip(numbers, found, strict=True) if one is None]
    if missing:
        raise TrialError(
            f"{'、'.join(missing)}: この個人番号の人は住基ネット（模擬）にいません / nobody has this number in the simulated resident network"
        )
    return {name: residents.person_ref(one) for name, one in zip(numbers, found, strict=True) if one is not None}


def read_people(path: Path) -> dict[str, str]:
    """`{"known": 個人番号, "barred": 個人番号, "pending": 処理通番}`, of synthetic people; the last two may be left out. Raises TrialError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    well_formed = (
        isinstance(found, dict)
        and "known" in found
        and set(found) <= {"known", "barred", "pending"}
        and all(isinstance(one, str) for one in found.values())
    )
    if not well_formed:
        raise TrialError(
            '人のファイルは {"known": "12桁", "barred": "12桁", "pending": "P…"} の形です（known のほかは省ける）'
            ' / the file of people has the form {"known": "12 digits", "barred": "12 digits", "pending": "P…"}; all but known may be left out'
        )
    return dict(found)

"""What a conformance run plays: the network with its own identity and permit key, and an inquirer of the same data folder.

Only somebody with the data folder of a simulated network can run it: permits that the server under test must believe are signed here.
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from adapters.jlis_mock.core.codes import CodeBook
from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from adapters.jlis_mock.resident_network.residents import Residents, parse_number
from codebook import layouts
from codebook.identifiers import PERMIT_PREFIX, new_sortable_id
from evidence.canonical import timestamp
from gateway.data_folder import DataFolder
from gateway.topology import NETWORK, RESIDENT_NETWORK, Program
from keys.sealing import OneTimeKey
from keys.signing import Signer
from partner.messages import Question, SignedRequest, hexdigest, sign_request, text
from permission_lists import versions
from permission_lists.compiled import CompiledList
from permission_lists.decide import Party, Permitted
from permission_lists.model import PermissionList
from permission_lists.versions import SignedVersion, legal_day
from storage import list_files
from storage.database import Database
from storage.reference_data import read_layouts
from transport import role as role_file
from transport import tls
from transport.register import Register
from transport.role import RoleConfig
from transport.tls import Identity

NONCE_SIZE: Final = 32
LIFE: Final = timedelta(minutes=10)
TIMEOUT_S: Final = 20.0


class TrialError(ValueError):
    """The run cannot begin; the message says why and what to do, in Japanese first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The provider's codes of the people that the run asks about. `barred` None: nobody was named, the step is left out."""

    known: bytes
    unknown: bytes
    barred: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One request under a permit as the network would pass it on, every part of which may be bent."""

    item: dict[str, str]
    claims: PermitClaims
    one_time_key: OneTimeKey


@dataclass(slots=True, kw_only=True)
class Trial:
    """`url`: the server's base with the agency in it. `strangers`: identities that must be turned away, by what is wrong with them."""

    url: str
    agency: str
    register: Register
    network: Identity
    inquirer: str
    inquirer_signer: Signer
    inquirer_identity: Identity
    stranger: Identity
    permit_signer: Signer
    people: People
    question: Question
    now: datetime
    raw: dict[str, Any] = field(default_factory=dict)

    def request(self, **changes: Any) -> SignedRequest:
        """A request that the inquirer signed."""
        question = replace(self.question, **{"expires_at": self.now + LIFE, **changes})
        return sign_request(question, agency=self.inquirer, signer=self.inquirer_signer, now=self.now)

    def presented(
        self,
        *,
        code: bytes | None = None,
        request: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        item: Mapping[str, str] | None = None,
        signer: Signer | None = None,
    ) -> Presented:
        """A request that is in order, but for what is given: changes of the signed request, of the permit's claims, or of the item that is sent."""
        signed = self.request(**(request or {}))
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

    async def post(self, body: bytes, *, identity: Identity | None, newest: ssl.TLSVersion | None = None) -> Answered:
        """POST to the provision endpoint as somebody. Raises aiohttp.ClientError, OSError, TimeoutError when there is no answer."""
        context = tls.client_context(identity, self.network.ca)
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        connector = aiohttp.TCPConnector(ssl=context)
        headers = {"Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            session.post(f"{self.url}/provisions", data=body, headers=headers, allow_redirects=False) as response,
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
    inquirer, question = _question(data, config, register, agency, information, now)
    own = hosting(data, inquirer)
    book = CodeBook(ring, register.agencies)
    references = await _references(data, people)
    return Trial(
        url=f"{base}/{agency}",
        agency=agency,
        register=register,
        network=config.hosted[NETWORK].identity,
        inquirer=inquirer,
        inquirer_signer=own.open_keys(inquirer).ring.signer("signing"),
        inquirer_identity=own.hosted[inquirer].identity,
        stranger=stranger,
        permit_signer=ring.signer("permit"),
        people=People(
            known=book.code_of(agency, references["known"]),
            unknown=book.code_of(agency, secrets.token_bytes(16)),
            barred=book.code_of(agency, references["barred"]) if "barred" in references else None,
        ),
        question=question,
        now=now,
    )


def hosting(data: DataFolder, agency: str) -> RoleConfig:
    """The role of this folder that hosts an agency's intermediate server. Raises TrialError."""
    for path in sorted((data.root / "roles").glob("*/role.json")):
        found = role_file.load(path.parent)
        if found.options.get("program") == Program.INTERMEDIATE.value and agency in found.hosted:
            return found
    raise TrialError("照会者の役割がありません / no role here hosts the inquirer")


def inquirers(data: DataFolder) -> list[str]:
    """The agencies whose intermediate servers are in this folder."""
    return [
        agency
        for path in sorted((data.root / "roles").glob("*/role.json"))
        if (found := role_file.load(path.parent)).options.get("program") == Program.INTERMEDIATE.value
        for agency in found.hosted
    ]


def _question(
    data: DataFolder, config: RoleConfig, register: Register, agency: str, information: str, now: datetime
) -> tuple[str, Question]:
    """An inquirer of this data folder and an inquiry that the list in force gives it."""
    day = legal_day(now)
    digest, found, compiled = list_in_force(config, register, day)
    basis = found.statutory_basis(day)
    items = sorted({item for of, item in found.rows if basis is not None and of == basis.id})
    for inquirer in inquirers(data):
        for item in items if inquirer != agency else ():
            if isinstance(compiled.decide(inquirer, agency, basis.id if basis else None, item, information), Permitted):
                wanted = _one_item(information, day)
                question = Question(
                    provider=agency,
                    item=item,
                    information=information,
                    list_digest=digest,
                    basis=basis.id if basis else None,
                    items=wanted,
                )
                return inquirer, question
    raise TrialError(
        f"この機関に{information}を照会できる機関がこのフォルダーにありません。--information で別のものを"
        " / no agency of this folder may ask this one for that; name another kind with --information"
    )


def list_in_force(config: RoleConfig, register: Register, day: date) -> tuple[str, PermissionList, CompiledList]:
    """Digest, content and rows of the permission list that counts on a legal day. Raises TrialError, OSError."""
    heads: dict[versions.Head, SignedVersion] = {}
    for signed in list_files.read(config.folder / list_files.FILE_NAME):
        head = versions.check(signed, tuple(heads), register.list_key)
        if isinstance(head, versions.Head):
            heads[head] = signed
    head = versions.in_force(tuple(heads), day)
    if head is None:
        raise TrialError("今日効力のある照合リストがありません / no permission list is in force today")
    parties = {
        one.id: Party(name=one.name, kinds=one.kinds, pia_duty_met=one.assessed) for one in register.agencies.values()
    }
    content = versions.read_content(heads[head].content)
    return head.content_digest, content, CompiledList(content, parties, day)


def _one_item(information: str, day: Any) -> tuple[str, ...]:
    """One item of the layout, so that whatever else comes is too much."""
    layout = layouts.in_force(read_layouts(), information, day)
    first = next(iter(layout.data_sets.values()), None) if layout is not None else None
    return (next(iter(first.items)),) if first is not None else ()


async def _references(data: DataFolder, people: Mapping[str, str]) -> dict[str, bytes]:
    """Person references of the simulated resident network: the codes that the server under test got are made of them."""
    numbers = {name: parse_number(number) for name, number in people.items()}
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
    """`{"known": 個人番号, "barred": 個人番号}`, of synthetic people; `barred` may be left out. Raises TrialError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    well_formed = (
        isinstance(found, dict)
        and "known" in found
        and set(found) <= {"known", "barred"}
        and all(isinstance(one, str) for one in found.values())
    )
    if not well_formed:
        raise TrialError(
            '人のファイルは {"known": "12桁", "barred": "12桁"} の形です（barred は省ける）'
            ' / the file of people has the form {"known": "12 digits", "barred": "12 digits"}; barred may be left out'
        )
    return dict(found)

"""What a conformance run takes from a data folder before it begins: who asks, what the list in force gives, codes of the people named.

Only somebody with the data folder of a simulated network can run it: permits that the server under test must believe are signed by its core's key.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from adapters.jlis_mock.core import code_epochs
from adapters.jlis_mock.core.code_epochs import Epoch
from adapters.jlis_mock.core.codes import PERSON_REF_SIZE, CodeBook
from adapters.jlis_mock.resident_network.residents import Residents, parse_number
from codebook import layouts
from codebook.identifiers import ACQUISITION_PREFIX
from gateway.conformance.trial import Asking, Listening, People, Trial, TrialError
from gateway.data_folder import DataFolder
from gateway.registered_parties import parties_of
from gateway.topology import NETWORK, RESIDENT_NETWORK, Program
from keys.ring import Keyring
from keys.signing import Signer
from partner.messages import Question
from permission_lists import versions
from permission_lists.compiled import CompiledList
from permission_lists.decide import Party, Permitted
from permission_lists.model import PermissionList, PermissionRow
from permission_lists.versions import SignedVersion, legal_day
from storage import list_files
from storage.database import Database
from storage.reference_data import read_layouts
from transport import role as role_file
from transport.register import Register, Side
from transport.role import RoleConfig
from transport.tls import Identity

_URL: Final = "URL は https://ホスト:ポート/機関の id です。その機関が登録されていること / the URL is https://host:port/agency, of a registered agency"
_PENDING: Final = re.compile(rf"{ACQUISITION_PREFIX}[0-7][0-9A-HJKMNP-TV-Z]{{25}}\Z")
Listed = tuple[str, PermissionList, CompiledList]
"""Digest, content and rows of the permission list in force."""


async def prepare(
    data: DataFolder,
    *,
    url: str,
    information: str,
    people: Mapping[str, str],
    stranger: Identity,
    within_s: float,
    listening: Callable[[RoleConfig], Listening | None],
) -> Trial:
    """Everything that a run needs, from the data folder. `listening`: where it listens, by the network's role.

    Raises TrialError, KeyStoreError, StorageUnavailableError, ListFileBrokenError, ValueError, OSError.
    """
    config = role_file.load(data.role(NETWORK))
    register = config.register
    base, agency = _base_and_agency(url)
    if agency not in register.agencies:
        raise TrialError(_URL)
    ring = config.open_keys(NETWORK).ring
    now = config.clock()
    day, listed = legal_day(now), list_in_force(data, register, legal_day(now))
    assessed = register.agencies[agency].assessed_on(day)
    asking = _asking(
        data, listed if assessed else _as_if_assessed(listed, register, agency, day), agency, information, now
    )
    book = code_book(ring, register, await latest_epochs(config))
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
            unknown=book.code_of(agency, secrets.token_bytes(PERSON_REF_SIZE)),
            barred=book.code_of(agency, references["barred"]) if "barred" in references else None,
            pending=people.get("pending"),
            awaited=book.code_of(agency, hashlib.sha256(people.get("pending", "").encode()).digest()[:PERSON_REF_SIZE]),
        ),
        now=now,
        in_stead=_in_stead(data, listed, register, asking.question, now),
        strangers={side: _stranger_to(listed, register, asking, side, day) for side in Side},
        rows=_rows(data, register, listed[1], day),
        unassessed=tuple(
            replace(asking, agency=one, signer=_signer(data, one))
            for one in inquirers(data)
            if one != agency and not register.agencies[one].assessed_on(day)
        ),
        assessed=assessed,
        within_s=within_s,
        listening=listening(config),
    )


def _base_and_agency(url: str) -> tuple[str, str]:
    """`https://host:port` and the agency. Raises TrialError."""
    try:
        parts = urlsplit(url)
        address, said = (
            parts.scheme == "https" and bool(parts.hostname) and parts.port != 0,
            parts.query or parts.fragment,
        )
    except ValueError:  # a port that is no number, a host that is none
        raise TrialError(_URL) from None
    if not address or said or parts.username is not None:
        raise TrialError(_URL)
    base, _, agency = url.rstrip("/").rpartition("/")
    return base, agency


def _as_if_assessed(listed: Listed, register: Register, agency: str, day: date) -> Listed:
    """The list as it would be if this agency's assessment duty were met: whatever it permits then, it refuses for that alone."""
    digest, content, _ = listed
    parties = parties_of(register)
    met = Party(name=parties[agency].name, kinds=parties[agency].kinds)
    return digest, content, CompiledList(content, {**parties, agency: met}, day)


async def latest_epochs(config: RoleConfig) -> dict[str, Epoch]:
    """Agency → its last step of epochs at the core. Raises StorageUnavailableError."""
    database = await Database.open(config.dsn, connections=1)
    try:
        return await code_epochs.latest(database, config.hosted[NETWORK].tenant)
    finally:
        await database.close()


def code_book(ring: Keyring, register: Register, latest: Mapping[str, Epoch]) -> CodeBook:
    """The core's codes under the epochs of now."""
    in_use = {agency: epoch.in_use for agency, epoch in latest.items()}
    return CodeBook(ring, register.agencies, in_use)


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


def list_in_force(data: DataFolder, register: Register, day: date) -> Listed:
    """Digest, content and rows of the permission list that counts on a legal day. Raises TrialError, OSError."""
    held = signed_versions(data, register)
    head = versions.in_force(tuple(held), day)
    if head is None:
        raise TrialError("今日効力のある照合リストがありません / no permission list is in force today")
    content = versions.read_content(held[head].content)
    return head.content_digest, content, CompiledList(content, parties_of(register), day)


def signed_versions(data: DataFolder, register: Register) -> dict[versions.Head, SignedVersion]:
    """The versions of the list that were set up or published here and are its publisher's. Raises OSError."""
    heads: dict[versions.Head, SignedVersion] = {}
    for signed in list_files.read(data.lists):
        head = versions.check(signed, tuple(heads), register.list_keys)
        if isinstance(head, versions.Head):
            heads[head] = signed
    return heads


def _rows(data: DataFolder, register: Register, listed: PermissionList, day: date) -> tuple[PermissionRow, ...]:
    contents = (versions.read_content(one.content) for one in signed_versions(data, register).values())
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
    except (OSError, ValueError, RecursionError):
        found = None
    well_formed = (
        isinstance(found, dict)
        and "known" in found
        and set(found) <= {"known", "barred", "pending"}
        and all(isinstance(one, str) for one in found.values())
        and ("pending" not in found or _PENDING.match(found["pending"]) is not None)
    )
    if not well_formed:
        raise TrialError(
            '人のファイルは {"known": "12桁", "barred": "12桁", "pending": "P…"} の形です（known のほかは省ける）'
            ' / the file of people has the form {"known": "12 digits", "barred": "12 digits", "pending": "P…"}; all but known may be left out'
        )
    return dict(found)

"""The first members of staff of an agency: two administrators who found it, and two who do the daily work (IS-9, SC-11).

Everybody here is synthetic, so password and passphrase lie beside the card file. A deployment makes the founding document on the
founders' own machines, with their own cards, and puts it into the role's folder.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway import staff_cards
from gateway.data_folder import DataFolder, private_folder, write_private
from gateway.intermediate_server.staff import founding, remaining
from gateway.intermediate_server.staff.factors import hash_password
from gateway.intermediate_server.staff.founding import FirstMember
from gateway.intermediate_server.staff.rights import Function
from keys.signing import Signer

FOUNDERS: Final = ("admin-1", "admin-2")
_ADMINISTRATION: Final = (
    Function.STAFF_ADMINISTER,
    Function.STAFF_APPROVE,
    Function.STAFF_ANALYSE,
    Function.BACKUP,
    Function.KEYS_DESTROY,
)
_WORK: Final = tuple(function for function in Function if function not in _ADMINISTRATION)
FIRST: Final = {
    "admin-1": ("jinji", _ADMINISTRATION),
    "admin-2": ("joho-security", _ADMINISTRATION),
    "staff-1": ("kokuho-nenkin", _WORK),
    "staff-2": ("kokuho-nenkin", _WORK),
}
"""Synthetic staff ids → office and functions; administrators do no business, and nobody who does business administers rights."""
_FOR: Final = timedelta(days=5 * 365)
_FOR_IN_A_SIMULATION: Final = timedelta(days=20 * 365)
"""Whose clock is moved by years: retention of 7 years, and what is erased behind it, are to be tried without hiring anybody."""


def ensure_first_staff(
    data: DataFolder, role_folder: Path, agency: str, now: datetime, *, profile: str, simulation: bool
) -> None:
    """Make cards and secrets that are missing, and the founding document if there is none. Files that are there stay as they are."""
    path = private_folder(role_folder / "staff") / f"{agency}.json"
    if path.exists():
        return
    private_folder(data.staff(agency))
    for leftover in (path for who in FIRST for path in (data.staff_card(agency, who), data.staff_secrets(agency, who))):
        leftover.unlink(
            missing_ok=True
        )  # of a set-up that died before the document was there: nobody knows these cards
    members, signers = [], {}
    for staff_id, (office, functions) in FIRST.items():
        member, signers[staff_id] = _member(data, agency, staff_id, office, functions, profile)
        members.append(member)
    until = now + (_FOR_IN_A_SIMULATION if simulation else _FOR)
    document = founding.new(agency, profile=profile, at=now, valid_until=until, founders=FOUNDERS, members=members)
    write_private(path, founding.write(document, signers))


def found_anew(
    data: DataFolder,
    role_folder: Path,
    agency: str,
    founders: tuple[str, str],
    office: str,
    now: datetime,
    *,
    profile: str,
) -> Path:
    """Make two new synthetic people and the document by which they found an agency anew where too few are left to grant anything: they can
    administer staff and approve, nothing else. Its server takes it when it starts. Raises FileExistsError when one of them has a card here.
    """
    if any(data.staff_card(agency, one).exists() for one in founders):
        raise FileExistsError("a card file is never overwritten")
    members, signers = [], {}
    for staff_id in founders:
        member, signers[staff_id] = _member(data, agency, staff_id, office, tuple(remaining.LEAST), profile)
        members.append(member)
    document = founding.new(agency, profile=profile, at=now, valid_until=now + _FOR, founders=founders, members=members)
    path = private_folder(role_folder / "staff") / f"{agency}.json"
    write_private(path, founding.write(document, signers))
    return path


def _member(
    data: DataFolder, agency: str, staff_id: str, office: str, functions: tuple[Function, ...], profile: str
) -> tuple[FirstMember, Signer]:
    known = staff_cards.drawn()
    card = staff_cards.make(data.staff_card(agency, staff_id), agency, staff_id, known.passphrase, profile=profile)
    staff_cards.write_secrets(data.staff_secrets(agency, staff_id), known)
    member = FirstMember(
        staff_id=staff_id,
        office=office,
        password_hash=hash_password(known.password, founding.PROFILES[profile]),
        card_key=card.public_key.hex(),
        functions=functions,
    )
    return member, card

"""What gives authority bears a mark in its row: members, cards, grants and sessions in force (SC-20; docs/adr/0110). Pure.

The mark is keyed by the agency's ring and covers everything that decides: whoever writes the database without the ring makes none, neither for a
row of theirs nor for one that they have changed, copied or carried over from another member or agency. A row in force whose mark does not hold is
read as `unvouched` and gives nothing; so is a right that is asked for, whose row names who asks. What is not in force bears none. Counters do not
decide (`sign_count`, `seen_at`) and are not covered.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TypeAlias

from gateway.intermediate_server.staff.factors import RING
from gateway.intermediate_server.staff.people import Card, CardState, Member, MemberState, Session
from gateway.intermediate_server.staff.rights import Grant, GrantState
from keys import labels
from keys.binding import Part, bind
from keys.ring import Keyring

Row: TypeAlias = Member | Card | Grant | Session


def in_force(row: Row) -> bool:
    """A grant that is asked for counts: who asks for it is the first of the two."""
    match row:
        case Member():
            return row.state is MemberState.ACTIVE
        case Card():
            return row.state is CardState.ACTIVE
        case Grant():
            return row.state in (GrantState.REQUESTED, GrantState.EFFECTIVE)
        case Session():
            return row.vouched and row.ended_at is None


def mark(ring: Keyring, agency: str, row: Row) -> bytes | None:
    """What stands beside a row in force; None of any other."""
    return ring.named_index(RING, _said(agency, row)) if in_force(row) else None


def holds(ring: Keyring, agency: str, row: Row, marked: bytes | None) -> bool:
    """Whether a row is as this server wrote it, under any version that opens; of one that is not in force nothing is asked."""
    if not in_force(row):
        return True
    said = _said(agency, row)
    return marked is not None and any(hmac.compare_digest(marked, one) for one in ring.named_indexes(RING, said))


def _said(agency: str, row: Row) -> bytes:
    return bind(labels.STAFF_MARK, agency, *_parts(row))


def _parts(row: Row) -> tuple[Part, ...]:
    match row:
        case Member():
            credentials = (row.password_hash, int(row.password_initial), _at(row.password_until))
            return ("member", row.staff_id, row.office, *credentials, _at(row.valid_until), row.version)
        case Card():
            return ("card", row.card_id, row.staff_id, row.kind, row.public_key, row.credential, _at(row.valid_until))
        case Grant():
            scope, by = row.scope, row.approved
            limits = (scope.function, scope.office, scope.affair, scope.information, scope.file)
            first = (row.requested.staff_id, row.requested.card_id)
            second = (by.staff_id, by.card_id) if by else ()
            period = (_at(scope.valid_from), _at(scope.valid_until))
            return (
                "grant",
                row.grant_id,
                row.staff_id,
                limits,
                period,
                row.state,
                row.version,
                first,
                second,
                row.approved_digest,
            )
        case Session():
            whose = ("session", row.token_hash, row.staff_id, row.card_id, row.certificate)
            return (*whose, _at(row.opened_at), _at(row.until), int(row.restricted), row.reason, row.reference)


def _at(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()

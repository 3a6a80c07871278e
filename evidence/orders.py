"""An order that an agency's intermediate server signs for another server of the same agency: who of its staff have decided what, for minutes.

The other server has no staff of its own (docs/adr/0057). Whoever carries an order out there holds it against the register's keys, against itself
and against now, puts its id and its people on record, and then does exactly what its facts say.

Another kind of order is a member of `OrderKind` whose comment names its facts, and two places: where the intermediate server has proved its people and
calls `sign`, and where the other server calls `read` with that kind. An order tells whom to obey, not whether it was obeyed already: whoever carries
it out keeps it from being good twice, in the commit that puts it on record. For a key that is by its version, which is destroyed once; an act that could be
done again keeps the order's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from evidence import canonical
from evidence.canonical import timestamp
from keys import labels
from keys.signing import Signer
from keys.windows import PublicKeys

GOOD_FOR: Final = timedelta(minutes=10)
"""From its signature on, whatever it says itself."""
_SKEW: Final = timedelta(minutes=1)
"""By how much the clocks of an agency's servers may differ."""
_FORM: Final = 1


class OrderKind(StrEnum):
    """What an order is for."""

    KEY_DESTRUCTION = "key.destruction"  # purpose, version, cause
    BACKUP_MAKE = "backup.make"  # none
    BACKUP_RESTORE = "backup.restore"  # backup
    RESTORE_LIFT = "restore.lift"  # backup


class OrderRefusal(StrEnum):
    """Why an order is not carried out."""

    MALFORMED = "order_malformed"
    SIGNATURE = "order_signature_invalid"
    AGENCY = "order_of_another_agency"
    SERVER = "order_for_another_server"
    KIND = "order_for_another_act"
    EARLY = "order_of_the_future"
    OVER = "order_over"


class OrderRefusedError(Exception):
    """`reason`: why it is not to be carried out."""

    def __init__(self, reason: OrderRefusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`order_id`: of the act at the intermediate server. `server`: which server of the agency, by its program. `people`: staff ids, who have decided.

    `facts`: what exactly is to be done; ids, words of ours and counts, nobody's name or number. `good_until`: `GOOD_FOR` behind `issued_at` at the latest.
    """

    order_id: str
    kind: OrderKind
    agency: str
    server: str
    people: tuple[str, ...]
    facts: Mapping[str, str | int]
    issued_at: datetime
    good_until: datetime
    v: int = _FORM


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order: str
    signature: str


def sign(
    kind: OrderKind,
    *,
    order_id: str,
    agency: str,
    server: str,
    people: Sequence[str],
    facts: Mapping[str, str | int],
    signer: Signer,
    now: datetime,
) -> str:
    """JSON text: the order in canonical form, and the agency's signature (Ed25519, label `ORDER`)."""
    said = {
        "v": _FORM,
        "order_id": order_id,
        "kind": kind.value,
        "agency": agency,
        "server": server,
        "people": list(people),
        "facts": dict(facts),
        "issued_at": timestamp(now),
        "good_until": timestamp(now + GOOD_FOR),
    }
    text = canonical.encode(said)
    return msgspec.json.encode(_Signed(text.decode(), signer.sign(labels.ORDER, text).hex())).decode()


def read(data: bytes, keys: PublicKeys, *, kind: OrderKind, agency: str, server: str, now: datetime) -> Order:
    """An order that is to be carried out here and now. `keys`: the agency's signing keys, by the register. Raises OrderRefusedError.

    1. its form; 2. the agency's signature; 3. for this agency, this server, this act; 4. signed already, and not over.
    """
    # 1
    try:
        signed = msgspec.json.decode(data, type=_Signed)
        text, signature = signed.order.encode(), bytes.fromhex(signed.signature)
        order = msgspec.json.decode(text, type=Order)
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError):
        raise OrderRefusedError(OrderRefusal.MALFORMED) from None
    if order.v != _FORM or order.issued_at.tzinfo is None or order.good_until.tzinfo is None:
        raise OrderRefusedError(OrderRefusal.MALFORMED)
    # 2
    if not keys.verify(labels.ORDER, text, signature, now=now):
        raise OrderRefusedError(OrderRefusal.SIGNATURE)
    # 3, 4
    for wrong, reason in (
        (order.agency != agency, OrderRefusal.AGENCY),
        (order.server != server, OrderRefusal.SERVER),
        (order.kind is not kind, OrderRefusal.KIND),
        (order.issued_at - _SKEW > now, OrderRefusal.EARLY),
        (now > min(order.good_until, order.issued_at + GOOD_FOR), OrderRefusal.OVER),
    ):
        if wrong:
            raise OrderRefusedError(reason)
    return order

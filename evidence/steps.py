"""The steps of an exchange, as tables: which records each must have beside it, which cannot be, and what all parties' records say alike."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from evidence.entry import EntryKind


class Role(StrEnum):
    """What a party is in one inquiry."""

    DESK = "desk"
    INQUIRER = "inquirer"
    CORE = "core"
    PROVIDER = "provider"


K = EntryKind
CORE_KINDS: Final = frozenset({K.PERMIT_ISSUED, K.PERMIT_REFUSED, K.PROVISION_RELAYED})
BEFORE_PERMIT: Final = frozenset({K.INQUIRY_REGISTERED, K.INQUIRY_REFUSED, K.INQUIRY_DENIED, K.PERMIT_REFUSED})
UNSENT: Final = frozenset({K.INQUIRY_REGISTERED, K.INQUIRY_REFUSED, K.INQUIRY_ABORTED})
ENDS: Final = frozenset(
    {
        K.INQUIRY_REFUSED,
        K.INQUIRY_DENIED,
        K.INQUIRY_ANSWERED,
        K.INQUIRY_NOT_PROVIDED,
        K.INQUIRY_REFUSED_BY_PROVIDER,
        K.INQUIRY_REFUSED_BY_NETWORK,
        K.INQUIRY_ABORTED,
    }
)
LAST: Final = ENDS - {K.INQUIRY_ABORTED}  # after giving up, the others' records may still come
DISPOSITION_OF: Final[dict[str, str]] = {
    K.INQUIRY_ANSWERED: "provided",
    K.INQUIRY_HELD: "held",
    K.INQUIRY_NOT_PROVIDED: "not_provided",
    K.INQUIRY_REFUSED_BY_PROVIDER: "refused",
    K.PROVISION_MADE: "provided",
    K.PROVISION_RELEASED: "provided",
    K.PROVISION_HELD: "held",
    K.PROVISION_NOT_PROVIDED: "not_provided",
    K.PROVISION_REFUSED: "refused",
}
"""What happened to the information, by kind of entry; `provision.relayed` and `provision.expired` say it themselves."""

NEEDS: Final[dict[str, tuple[tuple[Role, frozenset[str]], ...]]] = {
    K.INQUIRY_PERMITTED: (
        (Role.INQUIRER, frozenset({K.INQUIRY_REGISTERED})),
        (Role.CORE, frozenset({K.PERMIT_ISSUED})),
    ),
    K.INQUIRY_DENIED: ((Role.INQUIRER, frozenset({K.INQUIRY_REGISTERED})), (Role.CORE, frozenset({K.PERMIT_REFUSED}))),
    K.INQUIRY_ANSWERED: ((Role.INQUIRER, frozenset({K.INQUIRY_PERMITTED})),),
    K.INQUIRY_HELD: ((Role.INQUIRER, frozenset({K.INQUIRY_PERMITTED})),),
    K.INQUIRY_NOT_PROVIDED: ((Role.INQUIRER, frozenset({K.INQUIRY_PERMITTED})),),
    K.INQUIRY_REFUSED_BY_PROVIDER: ((Role.INQUIRER, frozenset({K.INQUIRY_PERMITTED})),),
    K.INQUIRY_REFUSED_BY_NETWORK: ((Role.INQUIRER, frozenset({K.INQUIRY_PERMITTED})),),
    K.INQUIRY_ABORTED: ((Role.INQUIRER, frozenset({K.INQUIRY_REGISTERED})),),
    K.PERMIT_ISSUED: ((Role.INQUIRER, frozenset({K.INQUIRY_PERMITTED, K.INQUIRY_ABORTED})),),
    K.PERMIT_REFUSED: ((Role.INQUIRER, frozenset({K.INQUIRY_DENIED, K.INQUIRY_ABORTED})),),
    K.PROVISION_RELAYED: ((Role.CORE, frozenset({K.PERMIT_ISSUED})),),
    K.PROVISION_MADE: ((Role.CORE, frozenset({K.PERMIT_ISSUED})),),
    K.PROVISION_HELD: ((Role.CORE, frozenset({K.PERMIT_ISSUED})),),
    K.PROVISION_NOT_PROVIDED: ((Role.CORE, frozenset({K.PERMIT_ISSUED})),),
    K.PROVISION_REFUSED: ((Role.CORE, frozenset({K.PERMIT_ISSUED})),),
    K.PROVISION_RELEASED: ((Role.PROVIDER, frozenset({K.PROVISION_HELD})),),
    K.PROVISION_EXPIRED: ((Role.PROVIDER, frozenset({K.PROVISION_HELD})),),
}
"""For a kind, the records without which it cannot be, or which must follow from it: by whom, and any one of which."""

EXCLUDES: Final[dict[str, tuple[Role, ...]]] = {
    K.INQUIRY_REFUSED: (Role.CORE, Role.PROVIDER),
    K.PERMIT_REFUSED: (Role.PROVIDER,),
}
"""A refusal of this kind, and who can then have no record."""

SAME_ALWAYS: Final = (
    "inquirer", "provider", "basis", "item", "information", "items", "period", "inquirer_for", "provider_for", "list_digest",
)  # fmt: skip
CALLER: Final = {K.PERMIT_ISSUED: "inquirer", K.PERMIT_REFUSED: "inquirer", K.PROVISION_RELAYED: "provider"}
"""Whose call the core records as the actor of a step; a permit that is turned away may have been presented by anybody."""

"""What the linkage server's desk answers, and what SKY2 makes of it. No I/O; nothing here prints what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from adapters.sky2.matching import Differs, Part, match_holder
from adapters.sky2.refund import Event, event_of
from codebook.four_items import PersonName
from keys.masked import Masked

ENDED: Final = frozenset({"answered", "not_provided", "refused", "aborted"})
REFUSED: Final = frozenset({"refused", "aborted"})
ANSWERED: Final = "answered"
UNUSABLE: Final = "answer_unusable"
NO_ACCOUNT: Final = "no_account_registered"
ACCOUNT_DATA_SET: Final = "公的給付支給等口座情報"
_SHOWN_DIGITS: Final = 3


class ReceivedItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item: a value, or the reason for which there is none."""

    value: str | None = None
    null_reason: str | None = None

    def __repr__(self) -> str:
        return "<ReceivedItem>"


class DataSet(msgspec.Struct, frozen=True):
    data_set: str
    version: str
    items: dict[str, ReceivedItem]

    def __repr__(self) -> str:
        return "<DataSet>"


class Answer(msgspec.Struct, frozen=True):
    """One item of the desk's answer. `state` is None when the desk says `retry`: ask again with the same bytes."""

    inquiry_number: str | None = None
    state: str | None = None
    outcome: str | None = None
    reason: str | None = None
    values: list[DataSet] | None = None
    retry: str | None = None

    def __repr__(self) -> str:
        return "<Answer>"

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def held(self) -> bool:
        """A person at the provider has to decide: no use in waiting for it within one call."""
        return self.state == "held"

    @property
    def why_not(self) -> str | None:
        return self.reason or self.outcome or self.state


class AccountNumber(Masked[str]):
    """口座番号."""

    __slots__ = ()


class _AccountRecord(msgspec.Struct, frozen=True, array_like=True):
    bank: str
    branch: str
    kind: str
    number: str
    holder: str


_RECORD: Final = msgspec.json.Decoder(_AccountRecord)
_ACCOUNT_ITEMS: Final = ("金融機関コード", "店番", "預貯金種目コード", "口座番号", "名義人氏名カナ")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PublicMoneyReceivingAccount:
    """公金受取口座: where a person has asked the state to pay to."""

    bank: str
    branch: str
    kind: str
    number: AccountNumber
    holder: PersonName

    def to_bytes(self) -> bytes:
        """For sealing only."""
        # reveal: the bytes are sealed by the caller
        number, holder = self.number.reveal(), self.holder.reveal()
        return msgspec.json.encode(_AccountRecord(self.bank, self.branch, self.kind, number, holder))

    @classmethod
    def from_bytes(cls, opened: bytes) -> PublicMoneyReceivingAccount:
        record = _RECORD.decode(opened)
        return cls(
            bank=record.bank,
            branch=record.branch,
            kind=record.kind,
            number=AccountNumber(record.number),
            holder=PersonName(record.holder),
        )

    def masked_number(self) -> str:
        """The first three digits; the others as stars."""
        # reveal: only the first digits leave
        number = self.number.reveal()
        return number[:_SHOWN_DIGITS] + "*" * (len(number) - _SHOWN_DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOutcome:
    """What an ended inquiry does to a claim; `account` is there when a holder could be compared."""

    event: Event
    account: PublicMoneyReceivingAccount | None = None
    differing: frozenset[Part] = frozenset()
    reason: str | None = None


def account_outcome(answer: Answer, registered: PersonName) -> AccountOutcome:
    """SC-22: only an account whose holder is the person in the ledger makes a claim MATCHED. `answer` has ended."""
    if answer.state in REFUSED:
        return AccountOutcome(event=Event.INQUIRY_REFUSED, reason=answer.why_not)
    if answer.outcome != ANSWERED:
        return AccountOutcome(event=Event.NOTHING_PROVIDED, reason=answer.why_not)
    found = [record for record in answer.values or () if record.data_set == ACCOUNT_DATA_SET]
    if len(found) != 1:
        return AccountOutcome(event=Event.NOTHING_PROVIDED, reason=UNUSABLE)
    items = [found[0].items.get(name) for name in _ACCOUNT_ITEMS]
    if all(item is not None and item.null_reason is not None for item in items):
        return AccountOutcome(event=Event.NOTHING_PROVIDED, reason=NO_ACCOUNT)
    values = [item.value for item in items if item is not None and item.value]
    if len(values) != len(_ACCOUNT_ITEMS):
        return AccountOutcome(event=Event.NOTHING_PROVIDED, reason=UNUSABLE)
    bank, branch, kind, number, holder = values
    account = PublicMoneyReceivingAccount(
        bank=bank, branch=branch, kind=kind, number=AccountNumber(number), holder=PersonName(holder)
    )
    result = match_holder(account.holder, registered)
    differing = result.parts if isinstance(result, Differs) else frozenset()
    return AccountOutcome(event=event_of(result), account=account, differing=differing)

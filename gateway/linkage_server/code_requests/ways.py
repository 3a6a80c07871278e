"""The two ways of a 符号要求 to the resident network (LS-4): 住基ＧＷ, over HTTPS; or 既存住基, by files (code_requests.request_files).

Which one is the agency's configuration: option `code_requests_over`, `gateway` or `existing_residents`, for all agencies or by agency id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from codebook.individual_number import IndividualNumber
from gateway.linkage_server.code_requests.standing import Standing
from gateway.linkage_server.outbound import SEND_CODE_REQUESTS, Answer
from gateway.linkage_server.tenant import Agency
from keys.masked import Masked
from transport.role import RoleConfig


class Over(StrEnum):
    GATEWAY = "gateway"
    EXISTING_RESIDENTS = "existing_residents"


class AcquisitionNumberInHand(Masked[str]):
    """処理通番, between the answer that gave it and the request that spends it; never written down here."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ask:
    """One person's request."""

    number: int
    held: Standing
    acquisition_number: AcquisitionNumberInHand
    individual_number: IndividualNumber


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request: accepted; refused for a reason; or to be asked again, for a reason. None of them: it is on its way in a file."""

    refused: str | None = None
    retry: str | None = None


class Way(Protocol):
    async def send(self, asks: Sequence[Ask], now: datetime) -> list[Taken] | None:
        """Answers in order, or None when they come later (then the people stand as requested already). Raises ChannelError, StorageUnavailableError."""


def code(text: Any) -> str:
    """A neighbour's reason as a short code, or `unknown`: its words are not ours to keep."""
    good = isinstance(text, str) and 0 < len(text) <= 60 and text.isascii() and text.replace("_", "").isalnum()
    return str(text) if good and not any(letter.isdigit() for letter in str(text)) else "unknown"


def read_taken(answer: Answer) -> Taken:
    if answer.get("accepted") is True:
        return Taken()
    refusal = answer.get("refused")
    if isinstance(refusal, dict):
        return Taken(refused=code(refusal.get("reason")))
    return Taken(retry=code(answer.get("retry")))


class GatewayWay:
    """住基ＧＷ: IF_FGU_90007, answered at once."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency

    async def send(self, asks: Sequence[Ask], now: datetime) -> list[Taken] | None:  # noqa: ARG002 (files are dated)
        outbound = self._agency.outbound
        # reveal: the request itself, to the resident network alone
        items = [
            {
                "acquisition_number": ask.acquisition_number.reveal(),
                "individual_number": ask.individual_number.reveal(),
            }
            for ask in asks
        ]
        answers = await outbound.ask_list(outbound.resident_network("code-requests"), items, step=SEND_CODE_REQUESTS)
        return [read_taken(answer) for answer in answers]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Where the existing resident system's folders of an agency are, and how long its answer is awaited (seconds)."""

    folder: Path
    answer_within_s: float


def configured(config: RoleConfig, agency: str) -> tuple[Over, FilePlace]:
    """The agency's way. Raises ValueError for one that there is not."""
    said = config.options.get("code_requests_over", Over.GATEWAY.value)
    over = Over(said.get(agency, Over.GATEWAY.value) if isinstance(said, dict) else said)
    folder = Path(config.options.get("existing_residents_folder", config.spool.parent / "existing-residents"))
    within = float(config.options.get("existing_residents_answer_s", 24 * 3600))
    return over, FilePlace(folder=config.folder / folder / agency, answer_within_s=within)

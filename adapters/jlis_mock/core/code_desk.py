"""Issuing codes: the resident network's references become an agency's codes and go to that agency alone (FGU; LS-4)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.codes import PERSON_REF_SIZE, CodeBook, CodeBroken, CodeOutdated
from adapters.jlis_mock.core.messages import CodeAsk, Renewal, read_taken, refused, retry
from adapters.jlis_mock.ways import Ways
from evidence.entry import EntryKind
from storage.committer import Commit, Committer, commit_step
from transport.channel import ChannelError
from transport.problem import ProblemError

ISSUED: Final = commit_step("core", "codes.issued")
RENEWED: Final = commit_step("core", "codes.renewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDesk:
    """Issues and renews. `channels`: agency → the channel to its intermediate server's codes."""

    codes: CodeBook
    committer: Committer
    channels: Ways

    async def issue(self, agency: str, asks: Sequence[CodeAsk], now: datetime) -> list[dict[str, Any]]:
        """Answers in order (IF_FGU_90008 → 90009): what the agency's intermediate server says of each code.

        Raises ProblemError 404 for an agency that has no intermediate server here.
        """
        channel = self.channels.get(agency)
        if channel is None:
            raise ProblemError(404, "agency_unknown", "No intermediate server of this agency is connected.")
        if not all(len(ask.person_ref) == PERSON_REF_SIZE for ask in asks):
            return [refused("person_ref_malformed") for _ in asks]
        if not asks:
            return []
        items = [
            {
                "acquisition_number": ask.acquisition_number,
                "code": base64.b64encode(self.codes.code_of(agency, ask.person_ref)).decode(),
            }
            for ask in asks
        ]
        entry = records.other(
            EntryKind.CODES_ISSUED, now=now, actor="resident-network", facts={"agency": agency, "count": len(items)}
        )
        await self.committer.apply(Commit(step=ISSUED, entries=(entry,)))
        try:
            return [read_taken(answer, "bound") for answer in await channel.ask_all(items)]
        except ChannelError as failure:
            return [retry(failure.reason) for _ in asks]

    async def renew(self, agency: str, asks: Sequence[Renewal], now: datetime) -> list[dict[str, Any]]:
        """Answers in order (IF_FGU_90130): the agency's own codes as those of the newest epoch. Nobody else is asked, and nobody is named."""
        answers = [self._renewed(agency, ask.code) for ask in asks]
        count = sum("code" in answer for answer in answers)
        if count:
            entry = records.other(
                EntryKind.CODES_RENEWED, now=now, actor=agency, facts={"agency": agency, "count": count}
            )
            await self.committer.apply(Commit(step=RENEWED, entries=(entry,)))
        return answers

    def _renewed(self, agency: str, code: bytes) -> dict[str, Any]:
        try:
            return {"code": base64.b64encode(self.codes.renewed(code, agency)).decode()}
        except CodeOutdated:
            return refused("code_epoch_over")
        except CodeBroken:
            return refused("code_not_of_this_agency")

"""Issuing codes: the resident network's references become an agency's codes and go to that agency alone (FGU; LS-4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.jlis_mock.core import records
from adapters.jlis_mock.core.codes import PERSON_REF_SIZE, CodeBook
from adapters.jlis_mock.core.messages import CodeAsk, read_taken, refused, retry
from evidence.entry import EntryKind
from storage.committer import Commit, Committer, commit_step
from transport.channel import Channel, ChannelError
from transport.problem import ProblemError

ISSUED: Final = commit_step("core", "codes.issued")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDesk:
    """`channels`: agency → the channel to its intermediate server's codes."""

    codes: CodeBook
    committer: Committer
    channels: Mapping[str, Channel]

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

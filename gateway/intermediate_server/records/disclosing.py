"""情報提供等記録の開示 (番号法23条, 附則6条3項; SC-27): a person's records, asked for by the portal as any information is asked for.

So it takes a permit, the person is named by our own code, what leaves is sealed to the portal's one-time key, and the disclosure is itself a
record. What leaves is the extract as a file that `sekisho verify --extract` checks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from gateway.intermediate_server import merges
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.records import extracting
from gateway.intermediate_server.records.extracting import ExtractItem
from permission_lists.barring import AutoResponse

INFORMATION: Final = "情報提供等記録"
FILE: Final = "開示ファイル"
VERSION: Final = "0001"
LARGEST_FILE: Final = 8 * 1024 * 1024
"""Bytes. Some thousand records; more than that of one person at one agency in seven years is a case for the counter, not for an answer."""


async def disclosed(agency: HostedAgency, integrated_number: str, now: datetime) -> list[dict[str, Any]] | None:
    """The records of a payload that hold the file; None when it would be larger than `LARGEST_FILE`, or a bar works at a number that was merged into
    this one: whoever answers looks at the bars of this one. Raises StorageUnavailableError.
    """
    merged = await merges.merged_into(agency, integrated_number)
    if any(agency.bars.look(one, INFORMATION).person is AutoResponse.BARRED for one in merged):
        return None
    shown = await extracting.extract(agency, ExtractItem(person=integrated_number), now)
    file = b"".join(extracting.file_lines(agency, shown, now, salted=False))
    if len(file) > LARGEST_FILE:
        return None
    return [{"data_set": INFORMATION, "version": VERSION, "items": {FILE: {"value": file.decode()}}}]

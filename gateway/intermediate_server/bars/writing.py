"""How a bar that was set gets into the database, whoever sets it."""

from __future__ import annotations

from typing import Final

from gateway.intermediate_server.bars import whose
from gateway.intermediate_server.bars.states import Bar
from keys.ring import Keyring
from storage import sql
from storage.committer import Statement

_SQL = sql.load("gateway.intermediate_server.bars")
SET: Final = Statement("set_bar", _SQL["set_bar"])
MOVED: Final = Statement("bars_moved", _SQL["bars_moved"])


def set_row(ring: Keyring, agency: str, bar: Bar) -> tuple[object, ...]:
    """The row of `set_bar`: whose the bar is, sealed and by its index."""
    number = bar.integrated_number
    kept = (None, None) if number is None else whose.kept(ring, agency, bar.bar_id, number)
    return (
        bar.bar_id, bar.place.value, bar.effect.value, bar.cause.value, *kept, bar.inquirer, bar.information, bar.data_item,
        bar.state.value, bar.set_by, bar.set_at,
    )  # fmt: skip

"""Orders of an agency's administrators for its linkage server and its business system (SC-15; docs/adr/0057): signed by its intermediate server, brought to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from evidence.orders import OrderKind
from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.intermediate_server.operations import ordering
from gateway.staff_calls import Party
from storage.backups.form import BackedUp


def ask(party: Party, act: OrderKind, database: BackedUp, backup_id: str = "") -> str:
    """The signed order, for both factors of the person anew. Raises as `staff_calls.ask_proved`."""
    item = {"act": act.value, "database": database.value, "backup_id": backup_id}
    purpose = ordering.purpose(act.value, database.value, backup_id)
    return str(staff_calls.ask_proved(party, "/backup-orders", item, purpose)["order"])


def download(data: DataFolder, party: Party, database: BackedUp, out: Path) -> int:
    """A backup of one of them in a file that appears whole or not at all; its size. Raises as `staff_calls.ask`, OSError."""
    order = ask(party, OrderKind.BACKUP_MAKE, database)
    return staff_calls.download_for(_server(data, party, database), f"/backups/{party.name}", order.encode(), out)


def lift(data: DataFolder, party: Party, backup_id: str) -> dict[str, Any]:
    """What was restored may leave; what the comparisons found. Raises as `staff_calls.ask`."""
    order = ask(party, OrderKind.RESTORE_LIFT, BackedUp.LINKAGE, backup_id)
    answer = staff_calls.answer_for(
        _server(data, party, BackedUp.LINKAGE), f"/backups/{party.name}/lift", order.encode()
    )
    found: dict[str, Any] = json.loads(answer)
    return found


def _server(data: DataFolder, party: Party, database: BackedUp) -> Party:
    """The agency's server whose database it is. Raises UnknownPartyError."""
    url = staff_calls.servers(data).get(database.value, {}).get(party.name)
    if url is None:
        raise staff_calls.UnknownPartyError
    return replace(party, url=url, prefix="")

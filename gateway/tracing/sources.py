"""Whose records a trace is put together from: each party's log as its own staff read it, each desk's as its auditor reads it (docs/adr/0017).

In a simulation one person has all of these; elsewhere each party would hand out its own export. Who has left the network hands out nothing: its
log is read where it is kept (`gateway.departed_logs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.export import LogParty
from gateway import client_calls, staff_calls
from gateway.client_calls import Client
from gateway.data_folder import DataFolder
from gateway.departed_logs import DepartedLog, departed_logs
from gateway.staff_calls import Party
from gateway.topology import NETWORK

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One log. `agency`: whose, `network` for the core. Both calls raise NotReachableError, RefusedError and what `staff_calls.ask` raises.

    `search`: the entries under an inquiry number, each with its place `log`. `download`: a fiscal year's export into a file; its size.
    `left_on`: the day on which its agency left the network.
    """

    agency: str
    server: LogParty
    search: Callable[[str], list[Entry]]
    download: Callable[[int, Path], int]
    left_on: str | None = None

    @property
    def name(self) -> str:
        return f"{self.agency}/{self.server.value}" if self.server is LogParty.LINKAGE else self.agency


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """`unread_desks`: agencies whose linkage server is here, but no client that may read its log."""

    logs: tuple[Source, ...]
    unread_desks: tuple[str, ...]

    def of(self, agency: str, server: LogParty) -> Source | None:
        return next((one for one in self.logs if (one.agency, one.server) == (agency, server)), None)


def sources(data: DataFolder, staff: str) -> Sources:
    """Every log that somebody at this machine may read. Raises UnknownPartyError."""
    parties, departed = staff_calls.parties(data, staff), departed_logs(data)
    auditors = client_calls.auditors(data)
    gone = {one.agency for one in departed}
    desks = [_desk(agency, client) for agency, client in auditors.items() if agency not in gone]
    unread = [agency for agency in staff_calls.linkage_agencies(data) if agency not in auditors]
    logs = (*desks, *(_party(one) for one in parties), *(_departed(one) for one in departed))
    return Sources(logs=logs, unread_desks=tuple(unread))


def _party(party: Party) -> Source:
    return Source(
        agency=party.name,
        server=LogParty.CORE if party.name == NETWORK else LogParty.INTERMEDIATE,
        search=lambda number: _entries(staff_calls.ask(party, "/log/search", [{"inquiry_number": number}])),
        download=lambda year, target: staff_calls.download(party, f"/log?year={year}", target),
    )


def _desk(agency: str, client: Client) -> Source:
    return Source(
        agency=agency,
        server=LogParty.LINKAGE,
        search=lambda number: _entries(client.post("/v1/log/search", {"items": [{"inquiry_number": number}]})["items"]),
        download=lambda year, target: client.download(f"/v1/log?year={year}", target),
    )


def _departed(log: DepartedLog) -> Source:
    return Source(agency=log.agency, server=log.server, search=log.search, download=log.download, left_on=log.left_on)


def _entries(answers: list[Any]) -> list[Entry]:
    return [entry for answer in answers for entry in answer["entries"]]

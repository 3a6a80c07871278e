"""The permission list as one agency holds it: its versions, the one in force, and the one that a permit is judged by (PL-2, PL-4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from gateway.registered_parties import parties_of
from permission_lists import versions
from permission_lists.compiled import CompiledList
from permission_lists.model import PermissionList, build
from permission_lists.permit import Permit
from permission_lists.versions import Head, SignedVersion, legal_day
from transport.register import NamedList, Register

NOTHING: Final = build([])
"""The list of a server that holds no version yet: it permits nothing."""


class ListShelf:
    """The lists of one process, by content digest, compiled for the registered agencies: agencies that hold equal ones share them.

    A decision needs no look at the database: a list is compiled once for a legal day, and a few days' are kept.
    """

    def __init__(self, register: Callable[[], Register]) -> None:
        self._register = register
        self._lists: dict[str, PermissionList] = {NOTHING.digest: NOTHING}
        self._compiled = lru_cache(maxsize=8)(self._compile)

    def put(self, digest: str, content: bytes) -> None:
        """Keep the list of a version's deflated content, whose digest was checked. Raises ListBroken."""
        if digest not in self._lists:
            self._lists[digest] = versions.read_content(content)

    def get(self, digest: str) -> PermissionList:
        return self._lists[digest]

    @property
    def register(self) -> Register:
        return self._register()

    @property
    def edition(self) -> int:
        """Another number whenever another register is in force: agencies and their kinds are its."""
        return self._register().sequence

    def compiled(self, digest: str, on: date) -> CompiledList:
        return self._compiled(digest, on, self.edition)

    def _compile(self, digest: str, on: date, _edition: int) -> CompiledList:
        return CompiledList(self._lists[digest], parties_of(self._register()), on)


class Lists:
    """One agency's versions of the list. Which one counts is a matter of the legal day alone, so a change needs no act at midnight."""

    def __init__(self, shelf: ListShelf, clock: Callable[[], datetime]) -> None:
        self._shelf = shelf
        self._clock = clock
        self._today: CompiledList | None = None
        self._edition = 0
        self.heads: tuple[Head, ...] = ()
        """Oldest first."""

    def hold(self, head: Head, signed: SignedVersion) -> None:
        """Add a version that was checked and stored, on top of those held."""
        self._shelf.put(head.content_digest, signed.content)
        self.heads += (head,)
        self._today = None

    @property
    def newest(self) -> int:
        """The highest version number held, 0 for none."""
        return max((head.number for head in self.heads), default=0)

    def overdue(self, day: date) -> NamedList | None:
        """The version that counts on a legal day by the signed register and is not held: nothing may be decided by the one before it (docs/adr/0071)."""
        due = self._shelf.register.list_due(day)
        return None if due is None or self._holds(due) else due

    @property
    def missing(self) -> int:
        """How many versions the register names that are not held, those of days to come too."""
        return sum(not self._holds(one) for one in self._shelf.register.lists)

    def _holds(self, named: NamedList) -> bool:
        return any((one.number, one.content_digest) == (named.number, named.content_digest) for one in self.heads)

    @property
    def digests(self) -> frozenset[str]:
        """Content digests of every version held, past and future ones too."""
        return frozenset(head.content_digest for head in self.heads)

    @property
    def source(self) -> PermissionList:
        """The list in force now, by this server's clock."""
        return self._shelf.get(self._digest_on(legal_day(self._clock())))

    def on(self, day: date) -> CompiledList:
        """The list in force on a legal day; one that permits nothing when there is none."""
        if self._today is None or self._today.on != day or self._edition != self._shelf.edition:
            self._edition = self._shelf.edition
            self._today = self._shelf.compiled(self._digest_on(day), day)
        return self._today

    def of_permit(self, permit: Permit, now: datetime) -> CompiledList | None:
        """The list that a provision under this permit is judged by, or None when the permit names none that may count."""
        head = versions.of_permit(self.heads, permit.list_digest, permit.issued_at, now)
        return None if head is None else self._shelf.compiled(head.content_digest, legal_day(permit.issued_at))

    def listed(self) -> dict[tuple[str, str], frozenset[str]]:
        """(basis, item) → kinds of information, of every version held: what a count of the past may name."""
        rows = (found for head in self.heads for found in self._shelf.get(head.content_digest).rows.items())
        named: dict[tuple[str, str], frozenset[str]] = {}
        for affair, row in rows:
            named[affair] = named.get(affair, frozenset()).union(*(grant.information for grant in row.grants))
        return named

    def basis_on(self, day: date) -> str:
        """The statute or order in force on a day; empty when the list knows none (every question is then refused)."""
        basis = self._shelf.get(self._digest_on(day)).statutory_basis(day)
        return basis.id if basis else ""

    def _digest_on(self, day: date) -> str:
        head = versions.in_force(self.heads, day)
        return NOTHING.digest if head is None else head.content_digest

"""The guards of a batch: which commits may share a transaction, and by which guard one loses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from storage.database import Connection

if TYPE_CHECKING:
    from storage.committer import Commit, Statement, Write


_ACT: Final = ("", "")


def guarding(commit: Commit) -> set[tuple[str, Any]]:
    """What a commit is guarded by: two that have one of these in common never share a transaction. Acts of people never do: who revokes a right and
    who uses it stand in the log in the order in which they were judged.
    """
    row = {(commit.guard.statement.name, commit.guard.row[0])} if commit.guard is not None else set()
    return row | ({_ACT} if commit.under is not None else set())


def one_statement(commits: Sequence[Commit]) -> Statement | None:
    """The statement that all these commits are guarded by, when each is nothing but a guard and entries."""
    found = {commit.guard.statement if commit.guard else None for commit in commits}
    if len(found) != 1 or any(
        commit.under or commit.provided or commit.follow or not commit.entries for commit in commits
    ):
        return None
    return found.pop()


async def write(connection: Connection, writes: Sequence[Write], *, within_s: float) -> dict[Statement, list[Any]]:
    """One call for each statement, of so many seconds; the keys that it wrote."""
    rows: dict[Statement, list[tuple[Any, ...]]] = {}
    for one in writes:
        rows.setdefault(one.statement, []).append(one.row)
    written = {}
    for statement, some in rows.items():
        columns = map(list, zip(*some, strict=True))
        found = await connection.fetch(statement.text, *columns, timeout=within_s)
        written[statement] = [row[0] for row in found]
    return written


async def lost_by(connection: Connection, commits: Sequence[Commit], *, within_s: float) -> list[Write | None]:
    """The guard that each commit loses by, None of a winner. What an act is done under is tried first: who may do nothing changes nothing."""
    lost: list[Write | None] = [None] * len(commits)
    for guards in (
        [commit.under for commit in commits],
        [commit.provided for commit in commits],
        [commit.guard for commit in commits],
    ):
        tried = [(at, one) for at, one in enumerate(guards) if one is not None and lost[at] is None]
        written = await write(connection, [one for _, one in tried], within_s=within_s)
        won = {statement: set(keys) for statement, keys in written.items()}
        for at, one in tried:
            lost[at] = None if one.row[0] in won[one.statement] else one
    return lost

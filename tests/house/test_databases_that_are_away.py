"""What the database refuses is told as one that is away in one way, `storage.database.as_away`: U+0000 in a text stays the caller's fault."""

from __future__ import annotations

import ast

from tests.house.sources import parsed, production_modules

ALLOWED = {"storage/database.py": "the one place"}


def _tells_it_by_hand(handler: ast.ExceptHandler) -> bool:
    raised = [node.exc for node in handler.body if isinstance(node, ast.Raise)]
    return (
        handler.type is not None
        and ast.unparse(handler.type) == "asyncpg.PostgresError"
        and any(isinstance(exc, ast.Call) and ast.unparse(exc.func) == "StorageUnavailableError" for exc in raised)
    )


def test_a_database_that_is_away_is_told_in_one_way():
    found = {
        str(module)
        for module in production_modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ExceptHandler) and _tells_it_by_hand(node)
    }
    assert found == set(ALLOWED)

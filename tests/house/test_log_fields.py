"""A field that is not on the allow-list is dropped without a word: what the code says must be heard."""

from __future__ import annotations

import ast

from tests.house.sources import modules, trees_with
from transport.logs import ALLOWED

LEVELS = frozenset({"debug", "info", "warning", "error"})


def _fields(tree: ast.AST) -> set[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    logged = [call for call in calls if call.func.attr in LEVELS and getattr(call.func.value, "id", "") == "_LOG"]
    return {keyword.arg for call in logged for keyword in call.keywords if keyword.arg}


def test_every_field_that_is_logged_is_on_the_allow_list():
    used = {field for _, tree in trees_with("_LOG", modules()) for field in _fields(tree)}
    assert used
    assert used - ALLOWED == set()

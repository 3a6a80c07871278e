"""What a member of staff does at the intermediate server is committed under their session and right (`Acting.commit`), or stands here with its reason."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import parsed, production_modules

SERVER = Path("gateway/intermediate_server")
ALLOWED = {
    "staff/operating.py": "the one place",
    "operations/backing_up.py": "that a backup was made is so whoever may still make one; its parts were sent under the session",
}


def _acts_for_staff(module: Path) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any(name.name == "Acting" for name in node.names)
        for node in ast.walk(parsed(module))
    )


def _applies(module: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("apply", "apply_all")
        and ast.unparse(node.value).endswith("committer")
        for node in ast.walk(parsed(module))
    )


def test_what_staff_do_is_committed_under_their_session_and_right():
    modules = [one for one in production_modules() if one.is_relative_to(SERVER)]
    found = {
        str(one.relative_to(SERVER))
        for one in modules
        if _applies(one) and (_acts_for_staff(one) or one.name == "operating.py")
    }
    assert found == set(ALLOWED)

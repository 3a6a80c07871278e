r"""The form of a text in a message ends with \Z, since $ lets a line feed through behind it; every pattern names its digits, since \d takes those of every script."""

from __future__ import annotations

import ast

from tests.house.sources import production_modules, trees_with


def _forms() -> list[tuple[str, str]]:
    """Where a form stands, and its text; a form that is put together or named elsewhere tells the parts that stand here."""
    return [
        (f"{module}:{part.lineno}", part.value)
        for module, tree in trees_with("pattern", production_modules())
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "pattern"
        for part in ast.walk(node.value)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def test_a_form_lets_nothing_through_behind_its_end_and_no_foreign_digits():
    forms = _forms()
    assert len(forms) > 50
    assert [place for place, form in forms if form.endswith("$") or r"\d" in form] == []


def _patterns() -> list[tuple[str, str]]:
    """Where a pattern for `re` stands, and its text; one that is put together tells its parts."""
    return [
        (f"{module}:{part.lineno}", part.value)
        for module, tree in trees_with("import re", production_modules())
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.args
        for part in ast.walk(node.args[0])
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def test_a_pattern_takes_no_digits_of_other_scripts_unless_it_takes_them_out() -> None:
    patterns = _patterns()
    assert len(patterns) > 100
    assert [place for place, pattern in patterns if r"\d" in pattern.replace(r"[^\W\d_]", "")] == []

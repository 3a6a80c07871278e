"""The files of the tree as the house tests see them: what git tracks or would track, without what it ignores."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "gateway",
    "codebook",
    "permission_lists",
    "adapters",
    "keys",
    "evidence",
    "storage",
    "transport",
    "synthetic",
    "partner",
)
BUILT = frozenset({".git", ".venv", "var", "build", "dist", "__pycache__", ".hypothesis"})


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file, relative to the root; falls back on walking the tree where there is no git, as in an image."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = {Path(name) for name in listed.stdout.decode().split("\0") if name}
    else:
        names = {path.relative_to(ROOT) for path in ROOT.rglob("*") if not BUILT & set(path.relative_to(ROOT).parts)}
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@functools.cache
def modules() -> tuple[Path, ...]:
    return tuple(name for name in files() if name.suffix == ".py")


@functools.cache
def production_modules() -> tuple[Path, ...]:
    return tuple(name for name in modules() if name.parts[0] in PACKAGES)


@functools.cache
def text_of(module: Path) -> str:
    return (ROOT / module).read_text(encoding="utf-8")


def parsed(module: Path) -> ast.Module:
    """Not kept: the trees of all modules are millions of objects, which the collector of garbage would go through again and again."""
    return ast.parse(text_of(module))


def trees_with(word: str, among: Iterable[Path]) -> Iterator[tuple[Path, ast.Module]]:
    """The modules in whose text the word stands, each with its tree; no other one can have a name or a text of it."""
    return ((module, parsed(module)) for module in among if word in text_of(module))

"""The commands that a step may give: those that end by themselves on a running system. Their words are read by the command's own parser; none is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from gateway.command_line import Parser, with_arguments

ENDING: Final = (
    "agency", "assess", "backup", "bars", "business", "call", "certificates", "clients", "clock", "codes", "conformance", "copies", "counterparts", "decide", "export",
    "faults", "held", "jobs", "keys", "lists", "notices", "portal", "records", "residents", "send", "staff", "statistics", "trace", "verify",
)  # fmt: skip
"""Not those that serve until they are stopped (up, serve, terminal), set the folder up (migrate), or play a system of their own (demo, scenario)."""


class _WordsWrongError(Exception):
    """The message is what the parser says of the words."""


class _Judge(Parser):
    """Raises where a command would end, and prints nothing."""

    def error(self, message: str) -> NoReturn:
        raise _WordsWrongError(message)

    def print_help(self, file: object = None) -> NoReturn:  # noqa: ARG002 (argparse's own signature)
        self.error("--help")


def mistake(given: Sequence[str]) -> str | None:
    """What the parser of the command has against these words of a step, or None. The command is one of `ENDING`."""
    parser, _ = with_arguments(_Judge, given[0])
    try:
        parser.parse_args([*given, "--data", "."])
    except _WordsWrongError as wrong:
        return str(wrong)
    return None

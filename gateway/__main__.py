"""argv → command. Nothing is decided here; a command's module is imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from gateway.commands import COMMANDS as _COMMANDS
from gateway.exit_codes import BAD_INPUT, EPILOG


class _Parser(argparse.ArgumentParser):
    """Says in Japanese first what to do about bad arguments; sub-commands get it too."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"入力の誤り: {self.prog} --help で書き方を確かめてください / bad input: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(
        prog="sekisho",
        description="関所: 番号連携サーバーと中間サーバー / number linkage server and intermediate server",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, _, _, text) in _COMMANDS.items():
        commands.add_parser(name, help=text, description=text, epilog=EPILOG)
    name = next((word for word in arguments if not word.startswith("-")), "")
    if name not in _COMMANDS:
        if not arguments:
            parser.print_help()
            return BAD_INPUT
        parser.parse_args(arguments)
        return 0
    module_name, add, run, _ = _COMMANDS[name]
    module = import_module(module_name)
    getattr(module, add)(commands.choices[name])
    command: Callable[[argparse.Namespace], int] = getattr(module, run)
    return command(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())

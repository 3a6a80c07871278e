"""The parsers of `sekisho`: all commands by name, one of them with its arguments. A command's module is imported when it is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NoReturn

from gateway.commands import COMMANDS
from gateway.exit_codes import BAD_INPUT, EPILOG

DESCRIPTION: Final = "関所: 番号連携サーバーと中間サーバー / number linkage server and intermediate server"
Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Says in Japanese first what to do about bad arguments; sub-commands get it too."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"入力の誤り: {self.prog} --help で書き方を確かめてください / bad input: {message}\n")


def every_command(kind: type[Parser]) -> tuple[Parser, Any]:
    """A parser that knows all commands by name, and their own parsers."""
    parser = kind(prog="sekisho", description=DESCRIPTION, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, _, _, text) in COMMANDS.items():
        commands.add_parser(name, help=text, description=text, epilog=EPILOG)
    return parser, commands


def with_arguments(kind: type[Parser], name: str) -> tuple[Parser, Run]:
    """A parser that takes the arguments of one command, and what runs it."""
    parser, commands = every_command(kind)
    module_name, add, run, _ = COMMANDS[name]
    module = import_module(module_name)
    getattr(module, add)(commands.choices[name])
    command: Run = getattr(module, run)
    return parser, command

"""argv → command. Nothing is decided here; a command's module is imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, NoReturn

from gateway.exit_codes import BAD_INPUT, EPILOG

# name → (module, function that adds arguments, function that runs, what it does)
_COMMANDS: Final = {
    "up": ("gateway.up_command", "add_arguments", "run_up", "すべてを起動する。Ctrl-C で止まる / start everything"),
    "serve": ("gateway.serve_command", "add_arguments", "run", "一つの役割を動かす / run one role"),
    "migrate": ("gateway.up_command", "add_arguments", "run_migrate", "セットアップだけ行う / set up without starting"),
    "demo": ("gateway.demonstration.run", "add_arguments", "run", "架空の住民で最初から最後まで / the whole job on synthetic residents"),
    "decide": ("gateway.decide_command", "add_arguments", "run", "照合リストで照会の可否を答える / is this inquiry permitted?"),
    "trace": ("gateway.trace_command", "add_arguments", "run", "照会番号を全当事者の記録で追う / one inquiry through every party"),
    "verify": ("gateway.verify_arguments", "add_arguments", "run", "証跡の書き出しを検証する / verify exports of the evidence log"),
    "export": ("gateway.export_command", "add_arguments", "run", "証跡を書き出す / export an evidence log"),
    "held": ("gateway.held_command", "add_arguments", "run", "保留中の提供を見る・許す・拒む / held provisions"),
    "keys": ("gateway.keys_command", "add_arguments", "run", "鍵の一覧・更新・破棄 / list, rotate, destroy keys"),
}  # fmt: skip


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

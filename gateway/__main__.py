"""argv → command. Nothing is decided here; a command's module is imported when it is asked for."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence

from gateway.command_line import Parser, every_command, with_arguments
from gateway.commands import COMMANDS
from gateway.exit_codes import BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Passphrases and open rings pass through it: no core of it comes to lie on a disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in arguments if not word.startswith("-")), "")
    if name not in COMMANDS:
        parser, _ = every_command(Parser)
        if not arguments:
            parser.print_help()
            return BAD_INPUT
        parser.parse_args(arguments)
        return 0
    parser, command = with_arguments(Parser, name)
    return command(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())

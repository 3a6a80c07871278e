"""`sekisho residents`: more synthetic people for the simulated resident network, so that an agency's engineer has somebody to ask about."""

from __future__ import annotations

import argparse
import json
from typing import Final

from gateway import staff_calls
from gateway.data_folder import FIRST_STAFF, DataFolder, write_private
from gateway.demonstration.loading import resident
from gateway.demonstration.stage import SEED
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, end
from gateway.staff_calls import Party
from gateway.target_file import target_file
from gateway.topology import RESIDENT_NETWORK
from synthetic.people import MOST_RESIDENTS, PersonMaker

_AT_ONCE: Final = 1_000
_MOST: Final = 100_000
_FIRST: Final = 10_000_000
"""Behind everybody whom the demonstration and the scenarios know."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--count", type=int, default=1, metavar="N", help=f"人数 (how many), 1〜{_MOST:,}。既定 1 (default)"
    )
    parser.add_argument(
        "--from", type=int, default=_FIRST, dest="first", metavar="PLACE",
        help=f"母集団の何人目から (the first one's place in the population)。既定 {_FIRST:,}",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=target_file, required=True, metavar="FILE",
        help="個人番号と四情報の置き場所 (where their numbers and four items go), JSON, 0600",
    )  # fmt: skip
    parser.epilog = EPILOG
    staff_calls.add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    if not (1 <= args.count <= _MOST and 0 <= args.first <= MOST_RESIDENTS - args.count):
        return end(
            f"--count は 1〜{_MOST:,}、--from は 0〜{MOST_RESIDENTS - _MOST:,} です / a count from 1, a place from 0, and nobody behind the last",
            BAD_INPUT,
        )
    return staff_calls.guarded(lambda: _add(args, DataFolder(args.data)))


def _add(args: argparse.Namespace, data: DataFolder) -> int:
    """The file comes first: whoever is in the network is in it."""
    network = Party(
        name=RESIDENT_NETWORK,
        url=staff_calls.servers(data)[RESIDENT_NETWORK],
        prefix="",
        identity=data.staff_identity(RESIDENT_NETWORK, FIRST_STAFF),
    )
    maker = PersonMaker(SEED)
    people = [resident(maker.person(place)) for place in range(args.first, args.first + args.count)]
    try:
        write_private(args.out, json.dumps(people, ensure_ascii=False, indent=1).encode())
    except OSError:
        return end("--out に書けません / the file cannot be written", BAD_INPUT)
    for start in range(0, len(people), _AT_ONCE):
        staff_calls.ask(network, "/population", people[start : start + _AT_ONCE])
    return end(f"架空の {len(people):,} 人が住基ネット（模擬）にいます / synthetic people are there: {args.out}", OK)

"""`sekisho keys vouch`: whoever opens the ring says whose the staff of an agency are (SC-20; docs/adr/0110, docs/adr/0116)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.exit_codes import BAD_INPUT, OK, end
from gateway.intermediate_server.staff import founding
from gateway.intermediate_server.staff.factors import RING
from gateway.intermediate_server.staff.founding import MARKED, FoundingBrokenError
from storage.key_store import KeyStore


def add_arguments(vouch: argparse.ArgumentParser) -> None:
    named = "職員は認めず、この文書で機関を設立し直すことだけを認める (let this document found the agency anew, and nothing else), from staff found-anew"
    vouch.add_argument("--founding", type=Path, metavar="FILE", help=named)


def vouch(store: KeyStore, agency: str, document: Path | None) -> int:
    """For the staff that stand in the database, or for the two people of a founding document."""
    if RING not in store.ring.purposes():
        return end("職員のいる役割ではありません / staff are of intermediate servers", BAD_INPUT)
    return _mark_anew(store) if document is None else _name(store, agency, document)


def _mark_anew(store: KeyStore) -> int:
    if MARKED not in store.ring.purposes():
        return end("次の起動で認めることになっています / they are marked at the next start as it is", OK)
    with store.changing() as ring:
        ring.destroy(MARKED)
        ring.forget(MARKED)
    return end(
        "次の起動で、データベースにいる職員・職員証・権限に印を付け、数を証跡に残します。その前に sekisho assess で確かめてください / "
        "the next start marks the staff, cards and rights that stand in the database, and records how many; assess before it",
        OK,
    )


def _name(store: KeyStore, agency: str, document: Path) -> int:
    try:
        founded = founding.read(document.read_bytes(), agency)
    except (OSError, FoundingBrokenError):
        return end("この機関の設立の文書ではありません / this is no founding document of this agency", BAD_INPUT)
    store.ensure_all([founding.naming(founded)])
    return end(
        f"認めた二人 (the two): {' '.join(founded.founding.founders)} {founded.digest}。承認できる職員が足りないときだけ、次の起動で設立し直します / "
        "the next start founds the agency anew with them, if too few are left who can grant",
        OK,
    )

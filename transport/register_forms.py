"""Earlier forms of the register, read as the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FORM: Final = 4
_UNDATED: Final = 3
"""The form which said whether an agency is assessed (28条), and not since when."""
_ONE_LIST_KEY: Final = 2
"""The form in which the publisher of the permission list had one key."""
_ALWAYS: Final = {"valid_from": None, "valid_to": None}


def present_form(body: Mapping[str, Any]) -> dict[str, Any]:
    """A register of whatever form in the present one. Raises KeyError, TypeError.

    In the first form every party had one key for all time: its keys have no beginning or end, its sequence number is 0. In the second the
    publisher of the permission list had one. In the third a standing under 28条 had no days.
    """
    said = dict(body) if "v" in body else _in_windows(body)
    if said["v"] == _ONE_LIST_KEY:
        key = said.pop("list_key")
        said |= {"v": _UNDATED, "list_keys": [{"key": key, "versions": None}] if key else []}
    if said["v"] == _UNDATED:
        said |= {"v": FORM, "agencies": [{**one, "assessed": _dated(one["assessed"])} for one in said["agencies"]]}
    return said


def _dated(assessed: object) -> list[dict[str, None]]:
    if not isinstance(assessed, bool):
        raise TypeError("a standing of no known form")
    return [_ALWAYS] if assessed else []


def _in_windows(body: Mapping[str, Any]) -> dict[str, Any]:

    def keys(key: str) -> list[dict[str, Any]]:
        return [{"key": key, "valid_from": None, "valid_to": None}]

    agencies = [{**one, "signing_keys": keys(one["signing_key"])} for one in body["agencies"]]
    for one in agencies:
        del one["signing_key"]
    return {
        "list_key": "",
        **{name: said for name, said in body.items() if name != "permit_key"},
        "v": _ONE_LIST_KEY,
        "sequence": 0,
        "simulation": body.get("simulation") is True,
        "agencies": agencies,
        "certificates": [{**one, "valid_to": None} for one in body["certificates"]],
        "logs": [{"origin": one["origin"], "keys": keys(one["key"])} for one in body["logs"]],
        "permit_keys": keys(body["permit_key"]) if body["permit_key"] else [],
        "delegations": [{"valid_to": None, "information": [], **one} for one in body.get("delegations", ())],
    }
